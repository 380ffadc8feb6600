//! Settings of the Kafka clients, and why each differs from librdkafka's default.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use contract::Topic;
use rdkafka::ClientConfig;

use crate::bus::ConsumerSettings;

/// How to reach the brokers.
#[derive(Clone, Default)]
pub struct KafkaConfig {
    /// `host:port`, comma-separated.
    pub bootstrap_servers: String,
    /// `PLAINTEXT`, `SSL`, `SASL_PLAINTEXT` or `SASL_SSL`; PLAINTEXT when absent.
    pub security_protocol: Option<String>,
    pub sasl_mechanism: Option<String>,
    pub sasl_username: Option<String>,
    pub sasl_password: Option<String>,
    /// PEM file of the certificate authority.
    pub ca_file: Option<PathBuf>,
    /// Put before topic and group names, so that tests share one broker.
    pub prefix: String,
}

impl fmt::Debug for KafkaConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaConfig")
            .field("bootstrap_servers", &self.bootstrap_servers)
            .field("security_protocol", &self.security_protocol)
            .field("sasl_mechanism", &self.sasl_mechanism)
            .field("sasl_username", &self.sasl_username)
            .field("ca_file", &self.ca_file)
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

/// A broker that does not answer is given up after this long, everywhere.
pub(crate) const REQUEST_LIMIT: Duration = Duration::from_secs(5);

impl KafkaConfig {
    pub(crate) fn topic_name(&self, topic: Topic) -> String {
        format!("{}{}", self.prefix, topic.name())
    }

    pub(crate) fn group_name(&self, group: &str) -> String {
        format!("{}{group}", self.prefix)
    }

    /// What every client needs.
    pub(crate) fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.bootstrap_servers)
            .set("client.id", "fte")
            // A broker that hangs is noticed as soon as one that is gone.
            .set("socket.timeout.ms", "10000")
            .set("socket.connection.setup.timeout.ms", "5000")
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "2000")
            // A new topic is found this soon; the default of 5 min is for large clusters.
            .set("topic.metadata.refresh.interval.ms", "10000")
            .set("log.connection.close", "false");
        let optional = [
            ("security.protocol", &self.security_protocol),
            ("sasl.mechanism", &self.sasl_mechanism),
            ("sasl.username", &self.sasl_username),
            ("sasl.password", &self.sasl_password),
        ];
        for (name, value) in optional {
            if let Some(value) = value {
                config.set(name, value);
            }
        }
        if let Some(file) = &self.ca_file {
            config.set("ssl.ca.location", file.display().to_string());
        }
        config
    }

    pub(crate) fn producer(&self) -> ClientConfig {
        let mut config = self.client();
        config
            .set("acks", "all")
            .set("enable.idempotence", "true")
            // The clients of a service are few, so waiting for company is pure latency.
            .set("linger.ms", "0")
            // Below the time-out of HTTP requests, so that they can still be answered.
            .set("message.timeout.ms", "5000")
            .set("request.timeout.ms", "4000")
            // The buffer outlasts a hiccup of the broker; past it callers are refused.
            .set("queue.buffering.max.kbytes", "32768")
            .set("queue.buffering.max.messages", "20000")
            // Topics limit whole batches, not records: half of the smallest limit.
            .set("batch.size", "262144")
            // Above any topic's limit, so that the topic's own limit decides.
            .set("message.max.bytes", "2000000")
            // As the Java clients, so that their tools find the partition of a key.
            .set("partitioner", "murmur2_random");
        config
    }

    pub(crate) fn consumer(&self, settings: &ConsumerSettings) -> ClientConfig {
        let session = settings.session_timeout;
        let mut config = self.fetcher();
        config
            .set("group.id", self.group_name(settings.group))
            // The next protocol (KIP-848) stalls in this librdkafka.
            .set("group.protocol", "classic")
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("session.timeout.ms", session.as_millis().to_string())
            .set("heartbeat.interval.ms", (session / 4).as_millis().to_string())
            // Offsets are stored when finished, and stored offsets are committed.
            .set("enable.auto.offset.store", "false")
            .set("enable.auto.commit", "true")
            .set("auto.commit.interval.ms", "500")
            .set("auto.offset.reset", "earliest");
        if !settings.broker_gathers.is_zero() {
            // One answer for all that came, instead of one for each.
            config
                .set("fetch.min.bytes", "65536")
                .set("fetch.wait.max.ms", settings.broker_gathers.as_millis().to_string());
        }
        config
    }

    /// A client that reads. The runner bounds its own memory, so that librdkafka's
    /// queue only has to cover one round trip; the defaults hold 64 MiB.
    pub(crate) fn fetcher(&self) -> ClientConfig {
        let mut config = self.client();
        config
            .set("queued.max.messages.kbytes", "2048")
            .set("queued.min.messages", "2000")
            // A full queue is looked at again after this long, not after 1 s.
            .set("fetch.queue.backoff.ms", "20")
            .set("fetch.error.backoff.ms", "100")
            // A partition gained joins the next request, which waits this long at most.
            .set("fetch.wait.max.ms", "250")
            .set("fetch.message.max.bytes", "524288")
            .set("fetch.max.bytes", "4194304")
            .set("message.max.bytes", "2000000")
            .set("receive.message.max.bytes", "100000000")
            .set("enable.partition.eof", "false");
        config
    }
}
