//! A database that goes away and comes back.

use servers::{Postgres, PostgresOptions};
use sqlx::postgres::PgPoolOptions;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::*;

#[tokio::test]
async fn a_database_that_stops_and_comes_back_loses_nothing_and_stops_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let start = async |port| {
        let folder = Some(folder.path().join("database"));
        let options = PostgresOptions { folder, port, ..PostgresOptions::default() };
        Postgres::start(options).await.unwrap()
    };
    let server = start(None).await;
    let port = server.port();
    let pool = PgPoolOptions::new().connect_lazy(&server.url("postgres")).unwrap();
    let log = log(&pool).await;
    let mut consumer = Consumer::join(&log, "group");
    publish(&log, vec![record("key", "before")]).await;
    consumer.until_records(1).await;
    consumer.finish_all();

    server.stop().await.unwrap();
    let asked_at = Instant::now();
    let refused = log.publisher().publish_all(vec![record("key", "lost?")]).await;
    assert!(refused.is_err());
    assert!(asked_at.elapsed() < Duration::from_secs(9), "no answer in time");
    consumer.step(Duration::from_secs(1)).await;
    let _server = start(Some(port)).await;

    testkit::wait_for("a publish", async || {
        log.publisher().publish_all(vec![record("key", "after")]).await.is_ok()
    })
    .await;
    consumer
        .until("the record after the outage", |consumer| {
            consumer.texts()["key"].iter().any(|text| text == "after")
        })
        .await;
}

/// Stands before the server. Connections made before `swallow` then stay open and
/// carry nothing any more, as those to a machine that is gone.
struct Proxy {
    port: u16,
    swallowed: watch::Sender<()>,
}

impl Proxy {
    async fn before(server_port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let sender = watch::Sender::new(());
        let swallowed = sender.clone();
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let mut swallowed = swallowed.subscribe();
                tokio::spawn(async move {
                    let server = TcpStream::connect(("127.0.0.1", server_port)).await;
                    let mut server = server.unwrap();
                    tokio::select! {
                        _ = copy_bidirectional(&mut client, &mut server) => {}
                        _ = swallowed.changed() => std::future::pending().await,
                    }
                });
            }
        });
        Self { port, swallowed: sender }
    }

    fn swallow(&self) {
        self.swallowed.send_replace(());
    }
}

#[sqlx::test(migrations = false)]
async fn connections_that_swallow_everything_are_given_up(pool: PgPool) {
    let direct = (*pool.connect_options()).clone();
    let proxy = Proxy::before(direct.get_port()).await;
    let through = PgPoolOptions::new().connect_lazy_with(direct.port(proxy.port));
    crate::migrate(&pool).await.unwrap();
    let log = log(&through).await;
    let mut consumer = Consumer::join(&log, "group");
    publish(&log, vec![record("key", "before")]).await;
    consumer.until_records(1).await;
    let mut woken = log.wakes().records(TOPIC);

    // Fills the pool, so that none of its connections is spared.
    futures::future::join_all((0..20).map(|_| log.ping())).await;

    proxy.swallow();

    testkit::wait_within(Duration::from_secs(30), "a publish", async || {
        log.publisher().publish_all(vec![record("key", "after")]).await.is_ok()
    })
    .await;
    consumer
        .until("the record after the loss", |consumer| {
            consumer.texts()["key"].iter().any(|text| text == "after")
        })
        .await;
    // By then all listeners that were swallowed have asked, and one listens anew: it
    // hears of what another process wrote.
    let other = PostgresLog::connect(&pool);
    testkit::wait_within(Duration::from_secs(30), "a wake-up", async || {
        woken.mark_unchanged();
        publish(&other, vec![record("key", "from elsewhere")]).await;
        timeout(Duration::from_millis(500), woken.changed()).await.is_ok()
    })
    .await;
}
