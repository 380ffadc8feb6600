//! The service as its process runs it: ready when it can take submissions.

use std::time::Duration;

use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use bus::{Bus, BusConfig, PostgresConfig, TopicSpec};
use chassis::{Context, Mounts};
use contract::Topic;
use sqlx::{ConnectOptions as _, PgConnection, PgPool};
use testkit::wait_for;
use tokio::task::JoinHandle;
use tower::ServiceExt as _;
use webform_ingress::NAME;

use crate::settings::parse;
use crate::support::{post, question};

/// The running service, with the log in its database.
struct Service {
    context: Context,
    mounts: Mounts,
    running: JoinHandle<anyhow::Result<()>>,
}

impl Service {
    async fn start(pool: &PgPool) -> Self {
        bus::migrate(pool).await.unwrap();
        let log = BusConfig::Postgres(PostgresConfig::default());
        let topic = TopicSpec {
            topic: Topic::WebformInbound,
            partitions: 1,
            replication: 1,
            min_insync_replicas: 1,
            retention: Duration::from_secs(86_400),
            max_message_bytes: 512 << 10,
        };
        Bus::connect(log, pool.clone()).await.unwrap().apply_topics(&[topic]).await.unwrap();
        let mut config = parse(&["--bus", "postgres"]).unwrap();
        let url = pool.connect_options().to_url_lossy().to_string();
        config.database.database_url = url.into();
        let mounts = Mounts::default();
        let process = Context::new("test", prometheus::Registry::new());
        let context = process.beside(NAME, mounts.clone());
        let running = tokio::spawn(webform_ingress::run(config, context.clone()));
        Self { context, mounts, running }
    }

    async fn ready(&self) {
        wait_for("the service to be ready", async || self.context.is_ready()).await;
    }

    /// The status of a submission's answer, and when to try again.
    async fn submit(&self) -> (StatusCode, Option<String>) {
        let router = self.mounts.router(NAME).unwrap();
        let answer = router.oneshot(post("/support/submit", &question())).await.unwrap();
        let after = answer.headers().get(RETRY_AFTER);
        (answer.status(), after.map(|value| value.to_str().unwrap().to_owned()))
    }

    async fn stop(self) {
        self.context.shutdown.cancel();
        self.running.await.unwrap().unwrap();
    }
}

/// Nobody else gets numbers until the transaction ends.
async fn hold_numbers(transaction: &mut PgConnection) {
    sqlx::query("lock table ticket_ref_blocks").execute(transaction).await.unwrap();
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn the_service_is_ready_once_it_can_give_a_ref(pool: PgPool) {
    let mut holder = pool.begin().await.unwrap();
    hold_numbers(&mut holder).await;
    let service = Service::start(&pool).await;
    wait_for("the service to ask for numbers", async || {
        sqlx::query_scalar(
            "select exists (select from pg_locks join pg_database on pg_database.oid = database
                 where not granted and datname = current_database()
                     and relation = 'ticket_ref_blocks'::regclass)",
        )
        .fetch_one(&pool)
        .await
        .unwrap()
    })
    .await;
    assert!(!service.context.is_ready());

    holder.rollback().await.unwrap();
    service.ready().await;

    assert_eq!(service.submit().await, (StatusCode::ACCEPTED, None));
    service.stop().await;
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn without_numbers_the_service_is_soon_ready_to_say_so(pool: PgPool) {
    let mut holder = pool.begin().await.unwrap();
    hold_numbers(&mut holder).await;
    let service = Service::start(&pool).await;

    service.ready().await;

    let refused = (StatusCode::SERVICE_UNAVAILABLE, Some("5".to_owned()));
    assert_eq!(service.submit().await, refused);
    holder.rollback().await.unwrap();
    wait_for("numbers", async || service.submit().await == (StatusCode::ACCEPTED, None)).await;
    service.stop().await;
}
