"""pyzeebe, unmodified, against the gateway at HOST:PORT: prints what it sees as one line of JSON.

    PYTHONPATH=FOLDER python3 client.py HOST:PORT order.bpmn poll|stream
"""

import asyncio
import json
import sys

from pyzeebe import Job, ZeebeClient, ZeebeWorker, create_insecure_channel
from pyzeebe.errors import ProcessDefinitionNotFoundError

PATIENCE_MS = 60_000
ADDRESS, FILE, MODE = sys.argv[1:]


async def main():
    client = ZeebeClient(create_insecure_channel(ADDRESS))
    topology = await client.topology()
    deployed = (await client.deploy_resource(FILE)).deployments[0]

    cancelled = await client.run_process("order", {"orderId": "never", "pictures": 0})
    await client.cancel_process_instance(cancelled.process_instance_key)
    try:
        await client.run_process("no-such-process")
        refused = False
    except ProcessDefinitionNotFoundError:
        refused = True

    tries = []
    quoted = asyncio.Event()
    worker = ZeebeWorker(create_insecure_channel(ADDRESS), stream_enabled=MODE == "stream")

    @worker.task(task_type="quote", timeout_ms=PATIENCE_MS, max_jobs_to_activate=4)
    async def quote(job: Job, pictures: int):
        tries.append(job.retries)
        if len(tries) == 1:
            raise RuntimeError("no tariff yet")
        quoted.set()
        return {"price": 7 * pictures, "currency": job.custom_headers["currency"]}

    working = asyncio.create_task(worker.work())
    order = f"pyzeebe-{MODE}"
    result = asyncio.create_task(
        client.run_process_with_result("order", {"orderId": order, "pictures": 6}, timeout=PATIENCE_MS)
    )
    await asyncio.wait_for(quoted.wait(), PATIENCE_MS / 1000)
    await client.publish_message("paid", order, {"paid": 42}, time_to_live_in_milliseconds=PATIENCE_MS)
    ended = await result
    await worker.stop()
    working.cancel()

    print(
        json.dumps(
            {
                "partitions": topology.partitions_count,
                "process": deployed.bpmn_process_id,
                "retries": tries[:2],
                "variables": ended.variables,
                "refused": refused,
            }
        )
    )


asyncio.run(main())
