//! The service as its process runs it: every channel, until shutdown.

use std::time::Duration;

use bus::{Bus, BusConfig, PostgresConfig, Record, TopicSpec};
use chassis::{Context, Mounts};
use clap::Parser as _;
use contract::Topic;
use identity_resolver::{Config, SERVICE};
use sqlx::{ConnectOptions as _, PgPool};
use testkit::{events, wait_for};

use crate::email_world::mail;
use crate::ticket;
use crate::whatsapp_world::text;

#[derive(Debug, clap::Parser)]
struct Command {
    #[command(flatten)]
    config: Config,
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn the_service_reads_every_channel_and_wakes_the_agent(pool: PgPool) {
    bus::migrate(&pool).await.unwrap();
    let log = BusConfig::Postgres(PostgresConfig::default());
    let bus = Bus::connect(log, pool.clone()).await.unwrap();
    let topics = Topic::ALL.map(|topic| TopicSpec {
        topic,
        partitions: 2,
        replication: 1,
        min_insync_replicas: 1,
        retention: Duration::from_secs(86_400),
        max_message_bytes: 512 << 10,
    });
    bus.apply_topics(&topics).await.unwrap();
    let url = pool.connect_options().to_url_lossy().to_string();
    let given = [SERVICE, "--database-url", &url, "--bus", "postgres"];
    let config = Command::parse_from(given).config;
    let process = Context::new("test", prometheus::Registry::new());
    let context = process.beside(SERVICE, Mounts::default());
    let running = tokio::spawn(identity_resolver::run(config, context.clone()));

    let records = vec![
        Record::of(&text(1, 0, "How do I export a board?")),
        Record::of(&events::submission(ticket(1))),
        Record::of(&mail(1, "How do I export a board?")),
    ];
    bus.publisher().publish_all(records).await.unwrap();

    wait_for("three messages and their wake-ups", async || {
        let stored = "select count(*) from messages";
        let woken = "select count(*) from message_queue where topic = 'fte.tickets.incoming'";
        let count =
            async |query| sqlx::query_scalar::<_, i64>(query).fetch_one(&pool).await.unwrap();
        (count(stored).await, count(woken).await) == (3, 3)
    })
    .await;
    context.shutdown.cancel();
    running.await.unwrap().unwrap();
}
