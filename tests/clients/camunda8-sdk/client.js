// @camunda8/sdk over gRPC, unmodified, against the gateway at HOST:PORT: prints what it sees as one line of JSON.
//
//     node client.js HOST:PORT order.bpmn poll|stream

import { setTimeout as sleep } from "node:timers/promises";
import { Camunda8 } from "@camunda8/sdk";

const PATIENCE_MS = 60_000;
const [address, processFilename, mode] = process.argv.slice(2);

const zeebe = new Camunda8({
  ZEEBE_GRPC_ADDRESS: `grpc://${address}`,
  CAMUNDA_OAUTH_DISABLED: true,
  CAMUNDA_LOG_LEVEL: "none",
}).getZeebeGrpcApiClient();

const topology = await zeebe.topology();
const { deployments } = await zeebe.deployResource({ processFilename });

const other = { bpmnProcessId: "order", variables: { orderId: "never", pictures: 0 } };
await zeebe.cancelProcessInstance((await zeebe.createProcessInstance(other)).processInstanceKey);
const refused = await zeebe.createProcessInstance({ bpmnProcessId: "no-such-process", variables: {} }).then(
  () => false,
  (error) => error.code === 5,
);

const tries = [];
let told, opened;
const quoted = new Promise((resolve) => (told = resolve));
const open = new Promise((resolve) => (opened = resolve));
const taskHandler = async (job) => {
  if (job.variables.orderId === "probe") {
    opened(true);
    return job.complete();
  }
  tries.push(job.retries);
  if (tries.length === 1) return job.fail({ errorMessage: "no tariff yet", retries: job.retries - 1, retryBackOff: 10 });
  const answer = await job.complete({ price: 7 * job.variables.pictures, currency: job.customHeaders.currency });
  told();
  return answer;
};
const worker = { taskHandler, timeout: PATIENCE_MS };
if (mode === "stream") {
  await zeebe.streamJobs({ ...worker, type: "quote", worker: "camunda8-sdk" });
  // Nobody tells when the stream is open, and it is pushed only what comes after that.
  const probe = { bpmnProcessId: "order", variables: { orderId: "probe", pictures: 0 } };
  do await zeebe.createProcessInstance(probe);
  while (!(await Promise.race([open, sleep(200)])));
} else {
  zeebe.createWorker({ ...worker, taskType: "quote", maxJobsToActivate: 4 });
}

const orderId = `camunda8-sdk-${mode}`;
const variables = { orderId, pictures: 6 };
const result = zeebe.createProcessInstanceWithResult({
  bpmnProcessId: "order",
  variables,
  requestTimeout: PATIENCE_MS,
});
await quoted;
await zeebe.publishMessage({
  name: "paid",
  correlationKey: orderId,
  variables: { paid: 42 },
  timeToLive: PATIENCE_MS,
});
const ended = await result;

await zeebe.close();

console.log(
  JSON.stringify({
    partitions: topology.partitionsCount,
    process: deployments[0].process.bpmnProcessId,
    retries: tries.slice(0, 2),
    variables: ended.variables,
    refused,
  }),
);
