//! Takes WhatsApp's messages and receipts from Twilio into the log. Every call is
//! checked to be Twilio's before it is read; no database stands in its way.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use bus::{Bus, Publisher};
use channels::twilio::client::{self, TwilioClient};
use channels::twilio::signature::Verifier;
use channels::twilio::webhook::Ours;
use chassis::settings::{
    BusSettings, DatabaseSettings, HttpSettings, OutboundSettings, TwilioAccount, TwilioSettings,
};
use chassis::webhook::{BODY_TIMEOUT, Webhook};
use chassis::{Context, SettingsError};
use chrono::{DateTime, Utc};
use clap::Args;
use opentelemetry::metrics::Meter;
use secrecy::ExposeSecret as _;
use tokio::task::JoinSet;

pub use docs::openapi;
pub use reached::{Lags, RESOLVER};
pub use refused::{RefusalNotes, Refusals, refusals};
pub use sweep::Sweep;

mod call;
mod docs;
mod reached;
mod receive;
mod refusal;
mod refused;
mod sweep;

/// The service's name.
pub const NAME: &str = "whatsapp-ingress";

/// Sixteen times what the longest message takes in its longest spelling.
const MOST_BODY_BYTES: usize = 64 << 10;

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
    pub twilio: TwilioSettings,
    #[command(flatten)]
    pub outbound: OutboundSettings,
}

/// The clock of the events; tests turn it.
pub type Clock = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;

/// What the handlers work with.
pub struct Parts {
    pub publisher: Arc<dyn Publisher>,
    pub account: TwilioAccount,
    pub clock: Clock,
    /// How long a call's body may take to come.
    pub body_timeout: Duration,
    pub meter: Meter,
    /// Where calls with a wrong signature are noted.
    pub refusals: Refusals,
}

/// A cheap handle to the parts, as the router's state.
#[derive(Clone)]
pub struct Ingress(Arc<Shared>);

#[doc(hidden)]
pub struct Shared {
    webhook: Webhook,
    clock: Clock,
    verifier: Verifier,
    refusals: Refusals,
    ours: Ours,
}

impl From<Parts> for Ingress {
    fn from(parts: Parts) -> Self {
        let account = parts.account;
        let tokens = std::iter::once(&account.auth_token).chain(&account.auth_token_secondary);
        let urls = account.public_base_urls.iter().map(String::as_str);
        Self(Arc::new(Shared {
            verifier: Verifier::new(tokens.map(|token| token.expose_secret()), urls),
            webhook: Webhook::new(
                NAME,
                "whatsapp",
                parts.publisher,
                parts.body_timeout,
                &parts.meter,
            ),
            clock: parts.clock,
            refusals: parts.refusals,
            ours: ours(&account),
        }))
    }
}

fn ours(account: &TwilioAccount) -> Ours {
    Ours {
        account_sid: account.account_sid.clone(),
        address: account.whatsapp_from.clone(),
        api_base_url: account.api_base_url.clone(),
    }
}

impl Deref for Ingress {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

/// The routes below `/webhooks/whatsapp`.
pub fn router(ingress: Ingress) -> Router {
    let routes = docs::routes().layer(DefaultBodyLimit::max(MOST_BODY_BYTES));
    routes.with_state(ingress).split_for_parts().0
}

/// Runs the service until shutdown.
pub async fn run(config: Config, context: Context) -> anyhow::Result<()> {
    let account = config.twilio.required()?;
    // For the sweep, and the log where PostgreSQL is the log: never for a webhook.
    let pool = config.database.pool(NAME)?;
    let bus = config.bus.connect(&pool).await?;
    let clock: Clock = Arc::new(chassis::clock::now);
    let meter = opentelemetry::global::meter(NAME);
    let client = twilio_client(&account, config.outbound)?;
    let ours = ours(&account);
    let (refusals, notes) = refusals(account.public_base_urls.clone());
    let (publisher, lags) = (bus.publisher(), lags(&bus));
    let sweep = Sweep::new(pool.clone(), publisher, client, ours, Arc::clone(&clock), lags, &meter);
    let ingress = Ingress::from(Parts {
        publisher: bus.publisher(),
        account,
        clock,
        body_timeout: BODY_TIMEOUT,
        meter,
        refusals,
    });
    let mut tasks = JoinSet::new();
    tasks.spawn(sweep.run(context.shutdown.clone()));
    tasks.spawn(notes.run(pool, context.shutdown.clone()));
    let router = chassis::http::public(router(ingress));
    let serving = context.clone();
    tasks.spawn(async move { serving.serve(&config.http, router).await });
    context.supervise(tasks).await
}

fn lags(bus: &Bus) -> Lags {
    let bus = bus.clone();
    Arc::new(move || {
        let bus = bus.clone();
        Box::pin(async move { bus.lag().await })
    })
}

fn twilio_client(
    account: &TwilioAccount,
    outbound: OutboundSettings,
) -> Result<TwilioClient, SettingsError> {
    let client = TwilioClient::new(client::Settings {
        account_sid: account.account_sid.clone(),
        auth_token: account.auth_token.clone(),
        api_base_url: account.api_base_url.clone(),
        sender: account.whatsapp_from.clone(),
        public_base_url: account.public_base_urls.first().cloned().unwrap_or_default(),
        allows_loopback: outbound.allow_loopback,
        request_limit: client::REQUEST_LIMIT,
    });
    client.map_err(|error| SettingsError(error.to_string()))
}
