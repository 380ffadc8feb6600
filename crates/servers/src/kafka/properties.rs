//! The text of `server.properties`.

use crate::error::ServerError;
use crate::folder::Folder;
use crate::kafka::{KafkaOptions, SecuredListener};

#[derive(Debug, Clone, Copy)]
pub(super) struct Ports {
    pub(super) plain: u16,
    pub(super) secured: u16,
    pub(super) controller: u16,
}

/// One node is broker and controller. Replication is 1, so nothing waits for others;
/// the first rebalance waits for nobody either.
pub(super) fn properties(
    options: &KafkaOptions,
    folder: &Folder,
    ports: Ports,
) -> Result<String, ServerError> {
    let Ports { plain, secured, controller } = ports;
    let mut text = format!(
        "process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs={data}
num.partitions=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
",
        data = folder.join("data").display(),
    );
    let mut listeners = format!("PLAINTEXT://127.0.0.1:{plain}");
    let mut protocols = "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT".to_owned();
    if let Some(listener) = &options.secured {
        listeners.push_str(&format!(",SECURED://127.0.0.1:{secured}"));
        protocols.push_str(&format!(",SECURED:{}", listener.protocol));
        text.push_str(&security(listener, folder)?);
    }
    text.push_str(&format!("listeners={listeners},CONTROLLER://127.0.0.1:{controller}\n"));
    text.push_str(&format!("advertised.listeners={listeners}\n"));
    text.push_str(&format!("listener.security.protocol.map={protocols}\n"));
    for (key, value) in &options.properties {
        text.push_str(&format!("{key}={value}\n"));
    }
    Ok(text)
}

fn security(listener: &SecuredListener, folder: &Folder) -> Result<String, ServerError> {
    let mut text = String::new();
    if let Some((key, chain)) = &listener.key_and_chain {
        // One PEM file with both, which Kafka reads as a key store.
        let store = folder.write("listener.pem", &format!("{key}\n{chain}\n"), None)?;
        text.push_str("listener.name.secured.ssl.keystore.type=PEM\n");
        let location = store.display();
        text.push_str(&format!("listener.name.secured.ssl.keystore.location={location}\n"));
    }
    if listener.protocol.starts_with("SASL") {
        let module = "org.apache.kafka.common.security.scram.ScramLoginModule required;";
        text.push_str("listener.name.secured.sasl.enabled.mechanisms=SCRAM-SHA-256\n");
        text.push_str(&format!("listener.name.secured.scram-sha-256.sasl.jaas.config={module}\n"));
    }
    Ok(text)
}
