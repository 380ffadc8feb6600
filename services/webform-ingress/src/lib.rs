//! The web form: takes submissions and follow-ups into the log, and shows each
//! ticket to whoever holds its token. Reads what others store, and answers nothing
//! by itself.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use bus::Publisher;
use chassis::Context;
use chassis::settings::{BusSettings, DatabaseSettings, HttpSettings, SecretSettings};
use chassis::status_token::StatusTokens;
use chrono::{DateTime, Utc};
use clap::Args;
use secrecy::ExposeSecret as _;
use sqlx::PgPool;
use store::ticket_refs::TicketRefs;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

pub use body::BODY_TIMEOUT;
pub use caller::{Network, ProxySettings};
pub use docs::openapi;
pub use email::EmailAddress;
pub use limits::{Limits, RateLimitSettings, RateLimits, Ticker};
pub use links::LinkHosts;

mod accept;
mod body;
mod caller;
mod docs;
mod email;
mod event;
mod fields;
mod follow_up;
mod limits;
mod links;
mod page;
mod refusal;
mod sla;
mod status;
mod submission;
mod submit;
mod sweep;

/// The service's name.
pub const NAME: &str = "webform-ingress";

/// Requests worked on at once; the next ones are refused, so that memory stays
/// bounded: each holds at most one body of 256 KiB.
const MOST_REQUESTS: usize = 1024;

/// How often callers who are no longer limited are forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(60);

/// What the service is told at start.
#[derive(Debug, Clone, Args)]
pub struct Config {
    #[command(flatten)]
    pub database: DatabaseSettings,
    #[command(flatten)]
    pub bus: BusSettings,
    #[command(flatten)]
    pub http: HttpSettings,
    #[command(flatten)]
    pub secret: SecretSettings,
    #[command(flatten)]
    pub limits: RateLimitSettings,
    #[command(flatten)]
    pub proxies: ProxySettings,
    /// Hosts to which https addresses in the agent's answers become links,
    /// comma-separated, with their subdomains
    #[arg(long, env = "FTE_LINK_HOSTS", value_delimiter = ',', default_value = "taskflow.example")]
    pub link_hosts: Vec<String>,
}

/// The clock of everything that customers see; tests turn it.
pub type Clock = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;

/// What the handlers work with.
pub struct Parts {
    pub pool: PgPool,
    pub publisher: Arc<dyn Publisher>,
    pub refs: TicketRefs,
    pub tokens: StatusTokens,
    pub limits: Limits,
    pub trusted_proxies: Vec<Network>,
    pub link_hosts: LinkHosts,
    pub clock: Clock,
    /// How long a request's body may take to come.
    pub body_timeout: Duration,
}

/// A cheap handle to the parts, as the router's state.
#[derive(Clone)]
pub struct Ingress(Arc<Shared>);

#[doc(hidden)]
pub struct Shared {
    parts: Parts,
    slots: Semaphore,
}

impl From<Parts> for Ingress {
    fn from(parts: Parts) -> Self {
        Self(Arc::new(Shared { parts, slots: Semaphore::new(MOST_REQUESTS) }))
    }
}

impl Deref for Ingress {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0.parts
    }
}

impl Ingress {
    /// A place among the requests worked on; held until the answer.
    fn slot(&self) -> Result<tokio::sync::SemaphorePermit<'_>, refusal::Refusal> {
        self.0.slots.try_acquire().map_err(|_| refusal::Refusal::Busy)
    }
}

/// The routes below `/support`.
pub fn router(ingress: Ingress) -> Router {
    docs::routes().with_state(ingress).split_for_parts().0
}

/// Runs the service until shutdown.
pub async fn run(config: Config, context: Context) -> anyhow::Result<()> {
    let (secret, previous) = config.secret.keys()?;
    let previous = previous.as_ref().map(|secret| secret.expose_secret().as_bytes());
    let tokens = StatusTokens::new(secret.expose_secret().as_bytes(), previous)?;
    let pool = config.database.pool(NAME)?;
    let bus = config.bus.connect(&pool).await?;
    let ingress = Ingress::from(Parts {
        pool,
        publisher: bus.publisher(),
        refs: TicketRefs::default(),
        tokens,
        limits: Limits::new(config.limits.rate_limits, Ticker::monotonic()),
        trusted_proxies: config.proxies.trusted_proxies,
        link_hosts: LinkHosts::new(config.link_hosts),
        clock: Arc::new(chassis::clock::now),
        body_timeout: BODY_TIMEOUT,
    });
    let mut tasks = JoinSet::new();
    tasks.spawn(keep_refs(ingress.clone(), context.clone()));
    tasks.spawn(forget_callers(ingress.clone(), context.clone()));
    tasks.spawn(sweep::run(ingress.clone(), context.clone()));
    tasks.spawn(serve(ingress, config.http, context.clone()));
    context.supervise(tasks).await
}

/// Ready means able to take submissions, so the first block of refs comes before.
async fn serve(ingress: Ingress, http: HttpSettings, context: Context) -> anyhow::Result<()> {
    tokio::select! {
        () = ingress.refs.first_block() => {}
        () = context.shutdown.cancelled() => return Ok(()),
    }
    context.serve(&http, chassis::http::public(router(ingress))).await
}

async fn keep_refs(ingress: Ingress, context: Context) -> anyhow::Result<()> {
    ingress.refs.run(&ingress.pool, &*ingress.clock, &context.shutdown).await
}

async fn forget_callers(ingress: Ingress, context: Context) -> anyhow::Result<()> {
    while !context.shutdown.is_cancelled() {
        tokio::select! {
            () = tokio::time::sleep(FORGET_EVERY) => ingress.limits.forget_stale(),
            () = context.shutdown.cancelled() => {}
        }
    }
    Ok(())
}
