//! Counts what every service did: facts off `fte.metrics` into rollups, and the
//! figures and alerts that follow from them. Changes nothing of the flow.

use std::sync::Arc;

use std::time::Duration;

use axum::Router;
use bus::{Bus, ConsumerSettings};
use chassis::Context;
use chassis::settings::{BusSettings, DatabaseSettings, HttpSettings};
use clap::Args;
use contract::Topic;
use sqlx::PgPool;
use tokio::task::JoinSet;
use utoipa::OpenApi as _;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

mod alerts;
mod channels;
mod counting;
mod docs;
pub mod histogram;
mod letters;
mod retention;

pub use alerts::AlertSettings;
pub use counting::Counter;
pub use docs::openapi;
pub use letters::CountLetters;

use letters::Letters;

/// The service, its consumer group and its job names.
pub const NAME: &str = "metrics";

/// Batches written at once. Batches of one channel and minute wait for each other
/// on the rollup's row, so more of them would only wait.
const BATCHES: usize = 2;

/// The service's settings.
#[derive(Debug, Clone, Args)]
pub struct Config {
    #[command(flatten)]
    pub database: DatabaseSettings,
    #[command(flatten)]
    pub bus: BusSettings,
    #[command(flatten)]
    pub http: HttpSettings,
    #[command(flatten)]
    pub alerts: AlertSettings,
}

/// What the routes need.
#[derive(Clone)]
pub struct Figures {
    pool: PgPool,
    thresholds: Arc<AlertSettings>,
    letters: Letters,
}

impl Figures {
    pub fn new(pool: PgPool, thresholds: AlertSettings, letters: Arc<dyn CountLetters>) -> Self {
        Self { pool, thresholds: Arc::new(thresholds), letters: Letters::new(letters) }
    }
}

/// Runs until shutdown.
pub async fn run(config: Config, context: Context) -> anyhow::Result<()> {
    let pool = config.database.pool(NAME)?;
    let bus = config.bus.connect(&pool).await?;
    let letters = Arc::new(bus.dead_letters());
    let figures = Figures::new(pool.clone(), config.alerts, letters);
    let routes = chassis::http::public(router(figures));
    let mut tasks = JoinSet::new();
    tasks.spawn(count(bus.clone(), pool.clone(), context.clone()));
    tasks.spawn(retention::run_for_log(bus, pool.clone(), context.shutdown.clone()));
    tasks.spawn(retention::run(pool, context.shutdown.clone()));
    let serving = context.clone();
    tasks.spawn(async move { serving.serve(&config.http, routes).await });
    context.supervise(tasks).await
}

/// Nobody waits for a figure, and a batch costs the database as much as one fact.
const GATHER: Duration = Duration::from_millis(200);

async fn count(bus: Bus, pool: PgPool, context: Context) -> anyhow::Result<()> {
    let settings = ConsumerSettings {
        in_flight: BATCHES,
        gather: GATHER,
        broker_gathers: GATHER,
        ..ConsumerSettings::new(NAME, Topic::Metrics)
    };
    bus.consume_batches(settings, Counter::new(pool), context.shutdown).await?;
    Ok(())
}

/// `/metrics/channels` and `/metrics/alerts`.
pub fn router(figures: Figures) -> Router {
    documented().with_state(figures).split_for_parts().0
}

fn documented() -> OpenApiRouter<Figures> {
    OpenApiRouter::with_openapi(docs::Base::openapi())
        .routes(routes!(channels::channels))
        .routes(routes!(alerts::alerts))
}
