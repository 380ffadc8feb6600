//! Brings replies to customers and hand-offs to people: a consumer that only
//! writes deliveries down, and one worker per outlet that sends them.

mod intake;
mod outlet;
mod worker;

use std::time::Duration;

use bus::ConsumerSettings;
use chassis::Context;
use chassis::settings::{BusSettings, DatabaseSettings};
use contract::Topic;
use store::outbox::OutboxPublisher;
use store::relay::Relay;
use tokio::task::JoinSet;

pub use intake::Intake;
pub use outlet::{Outlet, SendError, Wakers};
pub use worker::{Step, Worker};

/// The service's name, its consumer group and its name in the outbox.
pub const SERVICE: &str = "dispatcher";

/// How soon one batch of new deliveries follows another.
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
    let relay = Relay::new(SERVICE, "outbox-relay/dispatcher", pool.clone(), bus.publisher());
    let wakers = Wakers::default();
    let intake = Intake::new(pool.clone(), wakers.clone());
    let settings = ConsumerSettings {
        gather: GATHER,
        ..ConsumerSettings::new(SERVICE, Topic::TicketsOutgoing)
    };

    let mut tasks = JoinSet::new();
    let shutdown = context.shutdown.clone();
    tasks.spawn(deleter.run(shutdown.clone()));
    tasks.spawn(relay.run(shutdown.clone()));
    for outlet in Outlet::ALL {
        let worker = Worker::new(outlet, pool.clone(), outbox.clone(), wakers.clone());
        tasks.spawn(worker.run(shutdown.clone()));
    }
    // The workers hold the last publishers: with them the deleter ends.
    drop(outbox);
    tasks.spawn(async move { Ok(bus.consume_batches(settings, intake, shutdown).await?) });
    context.set_ready(true);
    context.supervise(tasks).await
}
