//! What operators and monitors ask and do over HTTP: health, conversations,
//! customers, taking over and giving back, and a test of the whole pipeline.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::DefaultBodyLimit;
use axum::{Extension, Router};
use chassis::Context;
use chassis::operator::OperatorTokens;
use chassis::settings::{
    BusSettings, DatabaseSettings, GmailSettings, HttpSettings, OperatorSettings, OutboundSettings,
    TwilioSettings,
};
use clap::Args;
use store::outbox::OutboxPublisher;
use store::relay::Relay;
use tokio::task::JoinSet;
use utoipa::OpenApi as _;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

mod accounts;
mod actions;
mod attachments;
mod body;
mod conversations;
mod customers;
mod deliveries;
mod desk;
mod docs;
mod health;
mod pipeline;
mod refusal;
mod retention;
mod view;

pub use attachments::Files;
pub use desk::{Desk, Parts};
pub use docs::openapi;
pub use health::Log;

/// The service, and the owner of its outbox entries.
pub const NAME: &str = store::people::SERVICE;

/// A reply of the longest text takes 40 KB; a body is read whole.
const MOST_BODY_BYTES: usize = 64 << 10;

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
    pub operators: OperatorSettings,
    #[command(flatten)]
    pub twilio: TwilioSettings,
    #[command(flatten)]
    pub gmail: GmailSettings,
    #[command(flatten)]
    pub outbound: OutboundSettings,
    /// How long a test of the pipeline waits for its answer
    #[arg(long, env = "FTE_PIPELINE_TEST_TIMEOUT", default_value = "10s",
          value_parser = humantime::parse_duration)]
    pub pipeline_test_timeout: Duration,
}

/// Runs until shutdown.
pub async fn run(config: Config, context: Context) -> anyhow::Result<()> {
    let tokens = config.operators.tokens()?;
    let files = accounts::files(&config)?;
    let pool = config.database.pool(NAME)?;
    let bus = config.bus.connect(&pool).await?;
    let publisher = bus.publisher();
    let (outbox, deleter) = OutboxPublisher::new(pool.clone(), Arc::clone(&publisher));
    let relay = Relay::new(NAME, "outbox-relay/support-api", pool.clone(), Arc::clone(&publisher));
    let desk = Desk::from(Parts {
        pool: pool.clone(),
        outbox,
        publisher,
        log: Arc::new(bus),
        pipeline_test_timeout: config.pipeline_test_timeout,
        files,
    });
    let routes = chassis::http::public(router(desk, tokens));
    let mut tasks = JoinSet::new();
    tasks.spawn(deleter.run(context.shutdown.clone()));
    tasks.spawn(relay.run(context.shutdown.clone()));
    tasks.spawn(retention::run(pool, context.shutdown.clone()));
    let serving = context.clone();
    tasks.spawn(async move { serving.serve(&config.http, routes).await });
    context.supervise(tasks).await
}

/// Every route of the service. Without tokens no operator passes.
pub fn router(desk: Desk, tokens: OperatorTokens) -> Router {
    documented()
        .with_state(desk)
        .split_for_parts()
        .0
        .layer(DefaultBodyLimit::max(MOST_BODY_BYTES))
        .layer(Extension(tokens))
}

fn documented() -> OpenApiRouter<Desk> {
    OpenApiRouter::with_openapi(docs::Base::openapi())
        .routes(routes!(health::health))
        .routes(routes!(health::detailed))
        .routes(routes!(conversations::list))
        .routes(routes!(conversations::show))
        .routes(routes!(attachments::fetch))
        .routes(routes!(customers::lookup))
        .routes(routes!(actions::take))
        .routes(routes!(actions::reply))
        .routes(routes!(actions::give_back))
        .routes(routes!(actions::close))
        .routes(routes!(deliveries::list))
        .routes(routes!(deliveries::sent))
        .routes(routes!(deliveries::resend))
        .routes(routes!(pipeline::test))
        .routes(routes!(docs::document))
}
