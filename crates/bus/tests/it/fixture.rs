//! One log for one test, apart from all others.

use std::time::Duration;

use bus::{Bus, BusConfig, KafkaConfig, PostgresConfig, TopicSpec};
use contract::Topic;
use sqlx::PgPool;
use uuid::Uuid;

pub(crate) const PARTITIONS: i32 = 3;

/// A log with the seven topics, and the database for parked letters.
#[derive(Clone)]
pub(crate) struct Fixture {
    pub(crate) config: BusConfig,
    pub(crate) pool: PgPool,
}

/// The variable, or a failure that says how to get it.
pub(crate) fn required(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set: run `make test`, which starts PostgreSQL and Kafka")
    })
}

pub(crate) fn shared_kafka(prefix: &str) -> BusConfig {
    BusConfig::Kafka(KafkaConfig {
        bootstrap_servers: required("KAFKA_BOOTSTRAP_SERVERS"),
        prefix: prefix.to_owned(),
        ..KafkaConfig::default()
    })
}

fn own_kafka() -> BusConfig {
    shared_kafka(&format!("test-{}-", Uuid::new_v4().simple()))
}

pub(crate) fn database() -> PgPool {
    PgPool::connect_lazy(&required("DATABASE_URL")).unwrap()
}

pub(crate) fn specs(topics: &[Topic]) -> Vec<TopicSpec> {
    let spec = |topic: &Topic| TopicSpec {
        topic: *topic,
        partitions: PARTITIONS,
        replication: 1,
        min_insync_replicas: 1,
        retention: Duration::from_secs(86_400),
        max_message_bytes: if *topic == Topic::DeadLetters { 1 << 20 } else { 512 << 10 },
    };
    topics.iter().map(spec).collect()
}

impl Fixture {
    /// Topics of its own on the shared broker.
    pub(crate) async fn kafka() -> Self {
        Self::prepared(own_kafka(), database()).await
    }

    /// The same, with a database of the test's own for parked letters.
    pub(crate) async fn kafka_with(pool: PgPool) -> Self {
        bus::migrate(&pool).await.unwrap();
        Self::prepared(own_kafka(), pool).await
    }

    /// The log in a database of the test's own.
    pub(crate) async fn postgres(pool: PgPool) -> Self {
        bus::migrate(&pool).await.unwrap();
        Self::prepared(BusConfig::Postgres(PostgresConfig::default()), pool).await
    }

    pub(crate) async fn prepared(config: BusConfig, pool: PgPool) -> Self {
        crate::telemetry::install();
        let fixture = Self { config, pool };
        let topics = [Topic::TicketsIncoming, Topic::WebformInbound, Topic::DeadLetters];
        fixture.bus().await.apply_topics(&specs(&topics)).await.unwrap();
        fixture
    }

    /// A new connection, as another process has.
    pub(crate) async fn bus(&self) -> Bus {
        Bus::connect(self.config.clone(), self.pool.clone()).await.unwrap()
    }
}
