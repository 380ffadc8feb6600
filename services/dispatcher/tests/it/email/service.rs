//! The service as its process runs it, with a mailbox.

use std::time::Duration;

use bus::{Bus, BusConfig, PostgresConfig, Record, TopicSpec};
use chassis::{Context, Mounts};
use clap::Parser as _;
use contract::{BounceAction, Topic};
use dispatcher::{Config, SERVICE};
use emulators::gmail::Settings;
use sqlx::{ConnectOptions as _, PgPool};
use testkit::{events, wait_for, wait_within};

use super::{Post, US, bounces, delivery, reply, reported, status_links};
use crate::ticket;

#[derive(Debug, clap::Parser)]
struct Command {
    #[command(flatten)]
    config: Config,
}

async fn log_in(pool: &PgPool) -> Bus {
    bus::migrate(pool).await.unwrap();
    let log = BusConfig::Postgres(PostgresConfig::default());
    let bus = Bus::connect(log, pool.clone()).await.unwrap();
    let topics = Topic::ALL.map(|topic| TopicSpec {
        topic,
        partitions: 1,
        replication: 1,
        min_insync_replicas: 1,
        retention: Duration::from_secs(86_400),
        max_message_bytes: 512 << 10,
    });
    bus.apply_topics(&topics).await.unwrap();
    bus
}

fn config(pool: &PgPool, more: &[&str]) -> Config {
    let url = pool.connect_options().to_url_lossy().to_string();
    let given = [SERVICE, "--database-url", &url, "--bus", "postgres"];
    Command::parse_from(given.iter().chain(more)).config
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn the_service_answers_by_mail_tells_of_the_page_and_hears_of_bounces(pool: PgPool) {
    let post = Post::new(pool.clone(), [1]).await;
    post.world.run(status_links::ON).await;
    let bus = log_in(&pool).await;
    let played = Settings::default();
    let mailbox = [
        ["--gmail-address", US],
        ["--gmail-client-id", &played.client_id],
        ["--gmail-client-secret", &played.client_secret],
        ["--gmail-refresh-token", &played.mailboxes[0].refresh_token],
        ["--gmail-api-base-url", &post.gmail.base_url()],
        ["--google-token-url", &post.gmail.token_url()],
        ["--secret", "a secret of at least 32 characters"],
    ];
    let mut given = mailbox.concat();
    given.push("--allow-loopback");
    let process = Context::new("test", prometheus::Registry::new());
    let context = process.beside(SERVICE, Mounts::default());
    let running = tokio::spawn(dispatcher::run(config(&pool, &given), context.clone()));

    let records = vec![
        Record::of(&reply(1, "answer", |_| {})),
        Record::of(&events::submission_with(ticket(2), |form| {
            form.email = "eve@example.org".into()
        })),
    ];
    bus.publisher().publish_all(records).await.unwrap();
    wait_for("both mails", async || post.recipients() == ["eve@example.org", "sam1@example.org"])
        .await;
    // The job that reads back comes every five seconds.
    wait_within(Duration::from_secs(30), "the Message-ID", async || {
        post.world.count("select count(*) from mail_ids").await == 1
    })
    .await;
    let bounce = bounces::bounce(BounceAction::Failed, "5.1.1");
    let bounce = contract::EmailBounce { delivery_id: Some(delivery(1, "answer")), ..bounce };
    let (event, _) = reported(bounce);
    bus.publisher().publish_all(vec![Record::of(&event)]).await.unwrap();
    wait_for("the bounce", async || post.world.states().await == ["failed"]).await;
    context.shutdown.cancel();

    running.await.unwrap().unwrap();
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn half_a_mailbox_is_refused_by_name(pool: PgPool) {
    let process = Context::new("test", prometheus::Registry::new());
    let context = process.beside(SERVICE, Mounts::default());
    log_in(&pool).await;

    let error =
        dispatcher::run(config(&pool, &["--gmail-address", US]), context).await.unwrap_err();

    assert!(error.to_string().contains("GMAIL_CLIENT_ID"), "{error:#}");
}
