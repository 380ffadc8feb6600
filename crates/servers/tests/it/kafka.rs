//! Apache Kafka as a child process.

use std::os::unix::fs::PermissionsExt;

use servers::{Kafka, KafkaOptions};

#[tokio::test]
async fn a_kept_broker_starts_again_on_other_ports() {
    let parent = tempfile::tempdir().unwrap();
    let options = KafkaOptions { folder: Some(parent.path().join("kafka")), ..Default::default() };
    let first = Kafka::start(options.clone()).await.unwrap();
    let address = first.bootstrap_servers();
    let mode = parent.path().join("kafka").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700, "nobody else reads what customers wrote");
    first.stop().await.unwrap();
    let occupied = std::net::TcpListener::bind(&address).unwrap();

    let second = Kafka::start(options).await.unwrap();

    assert!(second.is_running());
    assert_ne!(second.bootstrap_servers(), address);
    second.crash().await.unwrap();
    assert!(!second.is_running());
    drop(occupied);
}
