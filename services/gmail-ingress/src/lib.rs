//! Takes e-mail in from Gmail. A push says that the mailbox has changed and is only
//! written down; then the mailbox is read from where it was read to, so that lost,
//! late and repeated pushes make no difference.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use bus::{ConsumerSettings, Publisher};
use channels::gmail::{self, GmailClient, QUOTA_FOR_READING, REQUEST_LIMIT};
use channels::pubsub::{Expected, Keys, Verifier};
use chassis::settings::{
    BusSettings, DatabaseSettings, GmailAccount, GmailSettings, HttpSettings, OutboundSettings,
    PubsubSettings,
};
use chassis::webhook::{BODY_TIMEOUT, Webhook};
use chassis::{Context, SettingsError};
use chrono::{DateTime, Utc};
use clap::Args;
use contract::Topic;
use opentelemetry::metrics::Meter;
use store::channel_configs::ChannelConfigs;
use store::jobs::{self, Schedule};
use tokio::task::JoinSet;
use tracing::warn;

mod call;
mod docs;
mod event;
mod meters;
mod notifications;
mod pages;
mod pass;
mod patience;
mod receive;
mod sync;
mod watch;

pub use docs::openapi;
pub use notifications::Notifications;
pub use patience::Patience;
pub use sync::{Ended, Sync, SyncError, Tuning};
pub use watch::Watch;

/// The service's name and its consumer group.
pub const NAME: &str = "gmail-ingress";

/// A hundred times what Pub/Sub sends.
const MOST_BODY_BYTES: usize = 64 << 10;

/// Finds what no push told of.
const POLL: Schedule = Schedule {
    name: "gmail-poll",
    every: Duration::from_secs(120),
    lease: Duration::from_secs(60),
};

/// How long the first reading of a new mailbox may hold up the start.
const FIRST_READING: Duration = Duration::from_secs(5);

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
    pub gmail: GmailSettings,
    #[command(flatten)]
    pub pubsub: PubsubSettings,
    #[command(flatten)]
    pub outbound: OutboundSettings,
}

/// The clock of the events; tests turn it.
pub type Clock = Arc<dyn Fn() -> DateTime<Utc> + Send + std::marker::Sync>;

/// What the webhook works with.
pub struct Parts {
    pub publisher: Arc<dyn Publisher>,
    /// Our address, in lower case.
    pub mailbox: String,
    /// The only subscription that may push, by its full name.
    pub subscription: Option<String>,
    pub expected: Expected,
    pub keys: Keys,
    pub clock: Clock,
    /// How long a call's body may take to come.
    pub body_timeout: Duration,
    pub meter: Meter,
}

/// A cheap handle to the parts, as the router's state.
#[derive(Clone)]
pub struct Ingress(Arc<Shared>);

#[doc(hidden)]
pub struct Shared {
    webhook: Webhook,
    mailbox: String,
    subscription: Option<String>,
    verifier: Verifier,
    clock: Clock,
}

impl From<Parts> for Ingress {
    fn from(parts: Parts) -> Self {
        let Parts { publisher, mailbox, subscription, expected, keys, .. } = parts;
        Self(Arc::new(Shared {
            webhook: Webhook::new(NAME, "gmail", publisher, parts.body_timeout, &parts.meter),
            mailbox,
            subscription,
            verifier: Verifier::new(expected, keys),
            clock: parts.clock,
        }))
    }
}

impl Deref for Ingress {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

/// The route `/webhooks/gmail`.
pub fn router(ingress: Ingress) -> Router {
    let routes = docs::routes().layer(DefaultBodyLimit::max(MOST_BODY_BYTES));
    routes.with_state(ingress).split_for_parts().0
}

/// Runs the service until shutdown.
pub async fn run(config: Config, context: Context) -> anyhow::Result<()> {
    let account = config.gmail.required()?;
    let pubsub = config.pubsub.checked()?;
    let client = client(&account, config.outbound)?;
    let pool = config.database.pool(NAME)?;
    let bus = config.bus.connect(&pool).await?;
    let meter = opentelemetry::global::meter(NAME);
    let (configs, refresher) = ChannelConfigs::new(pool.clone());
    let sync = Arc::new(Sync::new(
        pool.clone(),
        Arc::new(client),
        bus.publisher(),
        account.address.clone(),
        configs,
        Tuning::default(),
        &meter,
    ));
    let ingress = Ingress::from(Parts {
        publisher: bus.publisher(),
        mailbox: account.address,
        subscription: pubsub.pubsub_subscription,
        expected: Expected {
            audience: pubsub.pubsub_audience,
            service_account: pubsub.pubsub_service_account,
        },
        keys: Keys::new(pubsub.google_certs_url).context("the http client cannot be made")?,
        clock: Arc::new(chassis::clock::now),
        body_timeout: BODY_TIMEOUT,
        meter,
    });
    begin(&sync).await;

    let mut tasks = JoinSet::new();
    let shutdown = context.shutdown.clone();
    tasks.spawn(refresher.run(shutdown.clone()));
    tasks.spawn(Watch::new(Arc::clone(&sync), pubsub.pubsub_topic).run(shutdown.clone()));
    tasks.spawn(poll(Arc::clone(&sync), shutdown.clone()));
    let settings = ConsumerSettings::new(NAME, Topic::EmailInbound);
    let handler = Notifications::new(sync);
    tasks.spawn(async move { Ok(bus.consume(settings, handler, shutdown).await?) });
    let router = chassis::http::public(router(ingress));
    let serving = context.clone();
    tasks.spawn(async move { serving.serve(&config.http, router).await });
    context.supervise(tasks).await
}

fn client(
    account: &GmailAccount,
    outbound: OutboundSettings,
) -> Result<GmailClient, SettingsError> {
    let settings = gmail::Settings {
        client_id: account.client_id.clone(),
        client_secret: account.client_secret.clone(),
        refresh_token: account.refresh_token.clone(),
        api_base_url: account.api_base_url.clone(),
        token_url: account.token_url.clone(),
        allows_loopback: outbound.allow_loopback,
        request_limit: REQUEST_LIMIT,
        units_per_minute: QUOTA_FOR_READING,
    };
    GmailClient::new(&settings).map_err(|error| SettingsError(error.to_string()))
}

/// A mailbox that was never read is read from now on, before anybody hears that we are
/// ready. Everything else can wait for the poll.
async fn begin(sync: &Sync) {
    match tokio::time::timeout(FIRST_READING, sync.run(Some(0))).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => warn!(error = %error, "the mailbox is not read yet"),
        Err(_) => warn!("the mailbox is not read yet: Gmail takes its time"),
    }
}

/// Reads the mailbox every few minutes, pushed or not.
async fn poll(
    sync: Arc<Sync>,
    shutdown: tokio_util::sync::CancellationToken,
) -> anyhow::Result<()> {
    let step = || async { sync.run(None).await.map(|_ended| ()) };
    jobs::run(sync.pool.clone(), POLL, shutdown, step).await
}
