//! Apache Kafka as a child process.

use servers::{Kafka, KafkaOptions};

#[tokio::test]
async fn a_kept_broker_starts_again_on_other_ports() {
    let parent = tempfile::tempdir().unwrap();
    let options = KafkaOptions { folder: Some(parent.path().join("kafka")), ..Default::default() };
    let first = Kafka::start(options.clone()).await.unwrap();
    let address = first.bootstrap_servers();
    first.stop().await.unwrap();
    let occupied = std::net::TcpListener::bind(&address).unwrap();

    let second = Kafka::start(options).await.unwrap();

    assert!(second.is_running());
    assert_ne!(second.bootstrap_servers(), address);
    second.crash().await.unwrap();
    assert!(!second.is_running());
    drop(occupied);
}
