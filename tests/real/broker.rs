use prost::Message;
use tonic::{Code, Status, client::Grpc, codegen::http::uri::PathAndQuery, transport::Endpoint};
use zeebe2faas_dev::broker::{Broker, BrokerOptions};

/// Zeebe's PublishMessageRequest, as far as this test needs it: it looks at the broker without our client.
#[derive(Clone, PartialEq, Message)]
struct Publish {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    correlation_key: String,
    #[prost(int64, tag = "3")]
    time_to_live_ms: i64,
    #[prost(string, tag = "4")]
    message_id: String,
}

#[derive(Clone, PartialEq, Message)]
struct Published {
    #[prost(int64, tag = "1")]
    key: i64,
}

async fn publish(broker: &Broker, id: &str) -> Result<i64, Status> {
    let channel = Endpoint::from_shared(broker.grpc_address()).unwrap().connect().await.unwrap();
    let mut client = Grpc::new(channel);
    client.ready().await.unwrap();
    let publish = Publish {
        name: "faas-done".into(),
        correlation_key: "key".into(),
        time_to_live_ms: 3_600_000,
        message_id: id.into(),
    };
    let path = PathAndQuery::from_static("/gateway_protocol.Gateway/PublishMessage");
    let codec = tonic_prost::ProstCodec::<Publish, Published>::default();
    Ok(client.unary(tonic::Request::new(publish), path, codec).await?.into_inner().key)
}

#[tokio::test]
async fn a_broker_answers_when_it_is_ready_and_keeps_its_data_when_it_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let options = BrokerOptions { data: Some(folder.path().join("broker")), ..BrokerOptions::default() };
    let mut broker = Broker::start(options).await.unwrap();
    let (address, pid) = (broker.grpc_address(), broker.pid());
    assert!(publish(&broker, "before").await.unwrap() > 0);
    assert!(broker.cpu_seconds().unwrap() > 0.0);

    broker.kill();
    assert_eq!(broker.pid(), None);
    broker.restart().await.unwrap();

    assert_eq!(broker.grpc_address(), address);
    assert_ne!(broker.pid(), pid);
    assert_eq!(publish(&broker, "before").await.unwrap_err().code(), Code::AlreadyExists);
    assert!(publish(&broker, "after").await.unwrap() > 0);

    let running = format!("/proc/{}", broker.pid().unwrap());
    broker.stop().await;
    assert!(!std::path::Path::new(&running).exists(), "stop() leaves the JVM behind");
}
