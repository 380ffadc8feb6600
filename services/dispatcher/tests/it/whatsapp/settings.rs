//! What people set while it runs.

use contract::Channel;
use dispatcher::Tuning;
use sqlx::PgPool;
use store::channel_configs::{self, ChannelConfigs};
use store::people::OperatorName;
use testkit::wait_for;
use tokio_util::sync::CancellationToken;

use super::{Line, reply};

async fn set(pool: &PgPool, enabled: &str) {
    let mut conn = pool.acquire().await.unwrap();
    let changes = [("enabled", enabled)];
    let by = OperatorName("lisa");
    channel_configs::set(&mut conn, Channel::Whatsapp, &changes, by).await.unwrap();
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_channel_that_is_switched_off_and_on_is_obeyed_within_ten_seconds(pool: PgPool) {
    let (configs, refresher) = ChannelConfigs::new(pool.clone());
    let shutdown = CancellationToken::new();
    let refreshing = tokio::spawn(refresher.run(shutdown.clone()));
    let line = Line::with(pool.clone(), [1], Tuning::default(), configs.clone()).await;
    let is_enabled = || configs.get(Channel::Whatsapp).enabled;
    wait_for("the first reading", async || is_enabled()).await;

    set(&pool, "false").await;
    // The limit of every wait is ten seconds.
    wait_for("the change to be obeyed", async || !is_enabled()).await;
    line.world.handle([reply(1, "answer", |_| {})]).await.unwrap();
    line.send_all().await;
    assert_eq!(line.world.states().await, ["pending"]);
    assert!(line.twilio.requests().is_empty());

    set(&pool, "true").await;
    wait_for("what waited to be sent", async || {
        line.send_all().await;
        line.twilio.sent().len() == 1
    })
    .await;
    assert_eq!(line.world.states().await, ["accepted"]);
    shutdown.cancel();
    refreshing.await.unwrap().unwrap();
}
