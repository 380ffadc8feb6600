//! Brings replies to customers and hand-offs to people: a consumer that only
//! writes deliveries down, one worker per outlet that sends them, and a consumer of
//! what providers tell about them later.

mod doubts;
mod email;
mod ends;
mod handoff;
mod in_hand;
mod intake;
mod outlet;
mod pace;
mod sender;
mod starts;
mod told;
mod whatsapp;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use bus::{BatchHandler, Bus, ConsumerSettings};
use channels::twilio::client::{self, TwilioClient};
use channels::twilio::errors::ErrorTable;
use chassis::settings::{
    BusSettings, DatabaseSettings, GmailSettings, OutboundSettings, TwilioAccount, TwilioSettings,
};
use chassis::{Context, SettingsError};
use contract::Topic;
use secrecy::SecretString;
use sqlx::PgPool;
use store::channel_configs::ChannelConfigs;
use store::outbox::OutboxPublisher;
use store::relay::Relay;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use doubts::ASK_AFTER;
pub use email::{
    Bounces, MailRecovery, MailTuning, MailWorker, Ourselves, StatusLinks, StatusMails,
};
pub use handoff::{HandoffMail, HandoffSettings, HandoffTuning, HandoffWebhook, Ways};
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
    #[command(flatten)]
    pub mail: MailSettings,
    #[command(flatten)]
    pub handoff: HandoffSettings,
    #[command(flatten)]
    pub outbound: OutboundSettings,
}

/// How mail goes out.
#[derive(Debug, Clone, clap::Args)]
pub struct MailSettings {
    #[command(flatten)]
    pub gmail: GmailSettings,
    /// Name beside our address in mails
    #[arg(long, env = "GMAIL_FROM_NAME", default_value = "Support")]
    pub gmail_from_name: String,
    /// Key for status tokens, the one of the web form; without it no mail tells of its page
    #[arg(long, env = "FTE_SECRET", hide_env_values = true)]
    pub secret: Option<SecretString>,
}

/// Runs until shutdown.
pub async fn run(config: Config, context: Context) -> anyhow::Result<()> {
    let pool = config.database.pool(SERVICE)?;
    let bus = config.bus.connect(&pool).await?;
    let (outbox, deleter) = OutboxPublisher::new(pool.clone(), bus.publisher());
    let relay = Relay::new(SERVICE, "outbox-relay/dispatcher", pool.clone(), bus.publisher());
    let wakers = Wakers::default();
    let settings = ConsumerSettings {
        gather: GATHER,
        ..ConsumerSettings::new(SERVICE, Topic::TicketsOutgoing)
    };

    let mut tasks = JoinSet::new();
    let shutdown = context.shutdown.clone();
    let ways = handoff::start(&config, &pool, &mut tasks, &shutdown)?;
    let intake = Intake::new(pool.clone(), wakers.clone()).telling(ways);
    tasks.spawn(deleter.run(shutdown.clone()));
    tasks.spawn(relay.run(shutdown.clone()));
    let (configs, refresher) = ChannelConfigs::new(pool.clone());
    tasks.spawn(refresher.run(shutdown.clone()));
    for outlet in Outlet::ALL {
        let (pool, outbox) = (pool.clone(), outbox.clone());
        let worker = Worker::new(outlet, pool, outbox, wakers.clone(), configs.clone());
        tasks.spawn(worker.run(shutdown.clone()));
    }
    // The workers hold the last publishers: with them the deleter ends.
    let parts = Parts { pool, outbox, wakers, configs };
    start_providers(&config, parts, &mut tasks, &bus, &shutdown)?;
    tasks.spawn(async move { Ok(bus.consume_batches(settings, intake, shutdown).await?) });
    context.set_ready(true);
    context.supervise(tasks).await
}

/// What the outlet of a provider needs.
#[derive(Clone)]
struct Parts {
    pool: PgPool,
    outbox: OutboxPublisher,
    wakers: Wakers,
    configs: ChannelConfigs,
}

type Tasks = JoinSet<anyhow::Result<()>>;

/// Starts the outlets that have an account.
fn start_providers(
    config: &Config,
    parts: Parts,
    tasks: &mut Tasks,
    bus: &Bus,
    shutdown: &CancellationToken,
) -> anyhow::Result<()> {
    match twilio_client(config)? {
        Some(client) => start_whatsapp(parts.clone(), Arc::new(client), tasks, bus, shutdown)?,
        None => tracing::info!("no account at Twilio: deliveries to WhatsApp wait"),
    }
    match email::account(&config.mail, config.outbound.allow_loopback)? {
        Some(account) => email::start(config, parts, account, tasks, bus, shutdown)?,
        None => tracing::info!("no mailbox at Gmail: deliveries by e-mail wait"),
    }
    Ok(())
}

fn start_whatsapp(
    parts: Parts,
    client: Arc<TwilioClient>,
    tasks: &mut Tasks,
    bus: &Bus,
    shutdown: &CancellationToken,
) -> anyhow::Result<()> {
    let Parts { pool, outbox, wakers, configs } = parts;
    let recovery = Recovery::new(pool.clone(), outbox.clone(), Arc::clone(&client));
    let receipts = Receipts::new(pool.clone(), outbox.clone(), ErrorTable::built_in()?);
    let worker = WhatsappWorker::new(pool, outbox, wakers, client, configs, Tuning::default());
    tasks.spawn(worker.run(shutdown.clone()));
    tasks.spawn(recovery.run(shutdown.clone()));
    consume(Topic::WhatsappInbound, receipts, tasks, bus, shutdown);
    Ok(())
}

/// Consumes a topic until shutdown.
fn consume(
    topic: Topic,
    handler: impl BatchHandler,
    tasks: &mut Tasks,
    bus: &Bus,
    shutdown: &CancellationToken,
) {
    let settings = ConsumerSettings::new(SERVICE, topic);
    let (bus, shutdown) = (bus.clone(), shutdown.clone());
    tasks.spawn(async move { Ok(bus.consume_batches(settings, handler, shutdown).await?) });
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
        allows_loopback: config.outbound.allow_loopback,
        request_limit: client::REQUEST_LIMIT,
    });
    client.map(Some).map_err(|error| SettingsError(error.to_string()).into())
}
