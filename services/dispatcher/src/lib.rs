//! Brings replies to customers and hand-offs to people: a consumer that only
//! writes deliveries down, one worker per outlet that sends them, and a consumer of
//! what providers tell about them later.

mod doubts;
mod ends;
mod in_hand;
mod intake;
mod outlet;
mod sender;
mod told;
mod whatsapp;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use bus::{Bus, ConsumerSettings};
use channels::twilio::client::{self, TwilioClient};
use channels::twilio::errors::ErrorTable;
use chassis::settings::{BusSettings, DatabaseSettings, TwilioAccount, TwilioSettings};
use chassis::{Context, SettingsError};
use contract::Topic;
use sqlx::PgPool;
use store::outbox::OutboxPublisher;
use store::relay::Relay;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use doubts::ASK_AFTER;
pub use intake::Intake;
pub use outlet::{Outlet, SendError, Wakers};
pub use whatsapp::{Receipts, Recovery, Tuning, WhatsappWorker};
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
    #[command(flatten)]
    pub twilio: TwilioSettings,
    /// Speak to providers on this machine without TLS
    #[arg(
        long,
        env = "FTE_ALLOW_LOOPBACK",
        value_parser = clap::builder::BoolishValueParser::new(),
        default_value_t = false,
        num_args = 0..=1,
        default_missing_value = "true",
        require_equals = true
    )]
    pub allow_loopback: bool,
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
    match twilio_client(&config)? {
        Some(client) => {
            let outlet = Whatsapp { pool, outbox, wakers, client: Arc::new(client) };
            outlet.start(&mut tasks, &bus, &shutdown)?;
        }
        None => {
            tracing::info!("no account at Twilio: deliveries to WhatsApp wait");
            // The workers hold the last publishers: with them the deleter ends.
            drop(outbox);
        }
    }
    tasks.spawn(async move { Ok(bus.consume_batches(settings, intake, shutdown).await?) });
    context.set_ready(true);
    context.supervise(tasks).await
}

/// What the outlet to WhatsApp needs.
struct Whatsapp {
    pool: PgPool,
    outbox: OutboxPublisher,
    wakers: Wakers,
    client: Arc<TwilioClient>,
}

impl Whatsapp {
    fn start(
        self,
        tasks: &mut JoinSet<anyhow::Result<()>>,
        bus: &Bus,
        shutdown: &CancellationToken,
    ) -> anyhow::Result<()> {
        let Self { pool, outbox, wakers, client } = self;
        let recovery = Recovery::new(pool.clone(), outbox.clone(), Arc::clone(&client));
        let receipts = Receipts::new(pool.clone(), outbox.clone(), ErrorTable::built_in()?);
        let worker = WhatsappWorker::new(pool, outbox, wakers, client, Tuning::default());
        tasks.spawn(worker.run(shutdown.clone()));
        tasks.spawn(recovery.run(shutdown.clone()));
        let settings = ConsumerSettings::new(SERVICE, Topic::WhatsappInbound);
        let (bus, shutdown) = (bus.clone(), shutdown.clone());
        tasks.spawn(async move { Ok(bus.consume_batches(settings, receipts, shutdown).await?) });
        Ok(())
    }
}

/// The client of our account, where there is one.
fn twilio_client(config: &Config) -> anyhow::Result<Option<TwilioClient>> {
    let Some(account) = config.twilio.optional()? else { return Ok(None) };
    let TwilioAccount {
        account_sid,
        auth_token,
        whatsapp_from,
        api_base_url,
        public_base_urls,
        ..
    } = account;
    let client = TwilioClient::new(client::Settings {
        account_sid,
        auth_token,
        api_base_url,
        sender: whatsapp_from,
        public_base_url: public_base_urls.into_iter().next().unwrap_or_default(),
        allows_loopback: config.allow_loopback,
        request_limit: client::REQUEST_LIMIT,
    });
    client.map(Some).map_err(|error| SettingsError(error.to_string()).into())
}
