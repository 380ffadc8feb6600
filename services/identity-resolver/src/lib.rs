//! Turns what customers send into messages of conversations: who writes, which
//! conversation it belongs to, and the wake-up for the agent.

mod intake;
mod resolver;
mod text;

use std::time::Duration;

use bus::ConsumerSettings;
use chassis::Context;
use chassis::settings::{BusSettings, DatabaseSettings};
use contract::Topic;
use store::jobs::{self, Schedule};
use store::outbox::OutboxPublisher;
use store::relay::Relay;
use tokio::task::JoinSet;

pub use resolver::Resolver;

/// The service's name, its consumer group and its name in the outbox.
pub const SERVICE: &str = "identity-resolver";

/// Submissions this old have no alias any more; the window is ten minutes.
const FORGET_AFTER: Duration = Duration::from_secs(24 * 3600);

/// How soon one batch of messages follows another.
const GATHER: Duration = Duration::from_millis(5);

/// What the service is told from outside.
#[derive(Debug, Clone, clap::Args)]
pub struct Config {
    #[command(flatten)]
    pub database: DatabaseSettings,
    #[command(flatten)]
    pub bus: BusSettings,
}

/// Runs until shutdown.
pub async fn run(config: Config, context: Context) -> anyhow::Result<()> {
    let pool = config.database.pool(SERVICE)?;
    let bus = config.bus.connect(&pool).await?;
    let (outbox, deleter) = OutboxPublisher::new(pool.clone(), bus.publisher());
    let relay =
        Relay::new(SERVICE, "outbox-relay/identity-resolver", pool.clone(), bus.publisher());
    let resolver = Resolver::new(pool.clone(), outbox);
    let settings = ConsumerSettings {
        parking: true,
        gather: GATHER,
        ..ConsumerSettings::new(SERVICE, Topic::WebformInbound)
    };

    let mut tasks = JoinSet::new();
    let shutdown = context.shutdown.clone();
    tasks.spawn(deleter.run(shutdown.clone()));
    tasks.spawn(relay.run(shutdown.clone()));
    tasks.spawn(prune(pool, shutdown.clone()));
    tasks.spawn(async move { Ok(bus.consume_batches(settings, resolver, shutdown).await?) });
    context.set_ready(true);
    context.supervise(tasks).await
}

/// Forgets, every hour, what can have no alias any more.
async fn prune(
    pool: sqlx::PgPool,
    shutdown: tokio_util::sync::CancellationToken,
) -> anyhow::Result<()> {
    let schedule = Schedule {
        name: "prune-recent-submissions",
        every: Duration::from_secs(3600),
        lease: Duration::from_secs(60),
    };
    jobs::run(pool.clone(), schedule, shutdown, || {
        let pool = pool.clone();
        async move {
            store::identity::prune_recent_submissions(&pool, FORGET_AFTER).await.map(|_pruned| ())
        }
    })
    .await
}
