use super::{
    Client, Error, Retry,
    client::{Command, Stub, json, millis},
    proto,
};
use serde_json::Value;
use std::time::Duration;

/// Zeebe 8.6.0 was seen to go on waiting past the time that it was told: then this client ends it, so much later.
const WAIT_GRACE: Duration = Duration::from_secs(1);

/// The cluster, as the gateway sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topology {
    /// The gateway's version.
    pub gateway_version: String,
    /// How many brokers there should be.
    pub cluster_size: i32,
    /// How many partitions there are.
    pub partitions: i32,
    /// How many brokers keep each partition.
    pub replication_factor: i32,
    /// The brokers that the gateway knows.
    pub brokers: Vec<Broker>,
}

/// One broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broker {
    /// Its number in the cluster.
    pub node: i32,
    /// `HOST:PORT`, as the cluster's members see it.
    pub address: String,
    /// Its version.
    pub version: String,
    /// The partitions that it keeps.
    pub partitions: Vec<Partition>,
}

/// One broker's copy of one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partition {
    /// Its number.
    pub id: i32,
    /// Whether this broker does its work.
    pub leader: bool,
    /// Whether it can work.
    pub healthy: bool,
}

/// What a deployment stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployed {
    /// The deployment.
    pub key: i64,
    /// Its processes; decisions and forms are deployed without being listed.
    pub processes: Vec<Process>,
}

/// One deployed process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its id in BPMN.
    pub bpmn_process_id: String,
    /// Counts from 1; unchanged when nothing changed.
    pub version: i32,
    /// Names this version.
    pub definition_key: i64,
    /// The file that it came from.
    pub resource: String,
    /// The tenant; `<default>` where there is only one.
    pub tenant: String,
}

/// Which version of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Version {
    /// The one deployed last.
    #[default]
    Latest,
    /// This one, from 1.
    Number(i32),
}

/// An instance to start.
#[derive(Debug, Clone, Default)]
pub struct NewInstance {
    /// The process's id in BPMN.
    pub bpmn_process_id: String,
    /// Its version.
    pub version: Version,
    /// A JSON object, or null for none.
    pub variables: Value,
    /// Empty: the default tenant.
    pub tenant: String,
}

/// How an instance that was waited for has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceResult {
    /// The instance.
    pub process_instance_key: i64,
    /// Its variables: a JSON object, not parsed yet.
    pub variables: String,
}

impl Client {
    /// Topology. Harmless to repeat.
    pub async fn topology(&self, retry: Retry) -> Result<Topology, Error> {
        let send = |mut stub: Stub, request| async move { stub.topology(request).await };
        let request = proto::TopologyRequest {};
        Ok(self.command(Command::repeatable("Topology"), retry, request, send).await?.into())
    }

    /// DeployResource: files by name (its ending says what it is: `.bpmn`, `.dmn`, `.form`) and content, all or none.
    /// Harmless to repeat: what is there already, unchanged, keeps its version.
    pub async fn deploy_resource(
        &self,
        files: Vec<(String, Vec<u8>)>,
        tenant: &str,
        retry: Retry,
    ) -> Result<Deployed, Error> {
        let resources = files.into_iter().map(|(name, content)| proto::Resource { name, content }).collect();
        let request = proto::DeployResourceRequest { resources, tenant_id: tenant.to_owned() };
        let send = |mut stub: Stub, request| async move { stub.deploy_resource(request).await };
        let answer = self.command(Command::repeatable("DeployResource"), retry, request, send).await?;
        let process = |deployment: proto::Deployment| deployment.metadata.map(Process::from);
        Ok(Deployed { key: answer.key, processes: answer.deployments.into_iter().filter_map(process).collect() })
    }

    /// CreateProcessInstance; answers with the instance's key.
    ///
    /// Twice is two instances: it is sent again only when Zeebe certainly did not take it. After a time-out or a
    /// broken connection the instance may exist.
    pub async fn create_process_instance(&self, instance: &NewInstance, retry: Retry) -> Result<i64, Error> {
        let send = |mut stub: Stub, request| async move { stub.create_process_instance(request).await };
        let command = Command::once("CreateProcessInstance");
        Ok(self.command(command, retry, instance.to_wire(), send).await?.process_instance_key)
    }

    /// CreateProcessInstanceWithResult: waits up to `wait` for the instance's end, and answers with the named variables
    /// (none means all). Sent again as CreateProcessInstance is; after [`Error::Timeout`] the instance goes on.
    pub async fn create_process_instance_with_result(
        &self,
        instance: &NewInstance,
        variables: &[String],
        wait: Duration,
        retry: Retry,
    ) -> Result<InstanceResult, Error> {
        let request = proto::CreateProcessInstanceWithResultRequest {
            request: Some(instance.to_wire()),
            request_timeout: millis(wait),
            fetch_variables: variables.to_vec(),
        };
        let send = |mut stub: Stub, request| async move { stub.create_process_instance_with_result(request).await };
        let command = Command::once("CreateProcessInstanceWithResult").waiting(wait + WAIT_GRACE);
        let answer = self.command(command, retry, request, send).await?;
        Ok(InstanceResult { process_instance_key: answer.process_instance_key, variables: answer.variables })
    }

    /// CancelProcessInstance. A repeated one may find the instance gone ([`Error::NotFound`]).
    pub async fn cancel_process_instance(&self, process_instance_key: i64, retry: Retry) -> Result<(), Error> {
        let request = proto::CancelProcessInstanceRequest { process_instance_key };
        let send = |mut stub: Stub, request| async move { stub.cancel_process_instance(request).await };
        self.command(Command::repeatable("CancelProcessInstance"), retry, request, send).await?;
        Ok(())
    }
}

impl NewInstance {
    fn to_wire(&self) -> proto::CreateProcessInstanceRequest {
        proto::CreateProcessInstanceRequest {
            process_definition_key: 0,
            bpmn_process_id: self.bpmn_process_id.clone(),
            version: match self.version {
                Version::Latest => -1,
                Version::Number(number) => number,
            },
            variables: json(&self.variables),
            tenant_id: self.tenant.clone(),
        }
    }
}

impl From<proto::TopologyResponse> for Topology {
    fn from(answer: proto::TopologyResponse) -> Self {
        let partition = |partition: proto::Partition| Partition {
            id: partition.partition_id,
            leader: partition.role() == proto::partition::PartitionBrokerRole::Leader,
            healthy: partition.health() == proto::partition::PartitionBrokerHealth::Healthy,
        };
        let broker = |broker: proto::BrokerInfo| Broker {
            node: broker.node_id,
            address: format!("{}:{}", broker.host, broker.port),
            version: broker.version,
            partitions: broker.partitions.into_iter().map(partition).collect(),
        };
        Self {
            gateway_version: answer.gateway_version,
            cluster_size: answer.cluster_size,
            partitions: answer.partitions_count,
            replication_factor: answer.replication_factor,
            brokers: answer.brokers.into_iter().map(broker).collect(),
        }
    }
}

impl From<proto::deployment::Metadata> for Process {
    fn from(proto::deployment::Metadata::Process(process): proto::deployment::Metadata) -> Self {
        Self {
            bpmn_process_id: process.bpmn_process_id,
            version: process.version,
            definition_key: process.process_definition_key,
            resource: process.resource_name,
            tenant: process.tenant_id,
        }
    }
}
