//! Turns what customers send into messages of conversations: who writes, which
//! conversation it belongs to, and the wake-up for the agent.

mod email_intake;
mod email_place;
mod email_resolver;
mod email_thread;
mod intake;
mod looks;
mod opt_out;
mod resolver;
mod staff;
mod text;
mod whatsapp_intake;
mod whatsapp_resolver;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use bus::ConsumerSettings;
use chassis::settings::{BusSettings, DatabaseSettings};
use chassis::{Context, clock};
use contract::Topic;
use store::jobs::{self, Schedule};
use store::outbox::OutboxPublisher;
use store::relay::Relay;
use store::ticket_refs::TicketRefs;
use tokio::task::JoinSet;

pub use email_resolver::EmailResolver;
pub use resolver::Resolver;
pub use whatsapp_resolver::WhatsappResolver;

/// The service's name, its consumer group and its name in the outbox.
pub const SERVICE: &str = "identity-resolver";

/// Submissions this old have no alias any more; the window is ten minutes.
const FORGET_AFTER: Duration = Duration::from_secs(24 * 3600);

/// How soon one batch of messages follows another.
const GATHER: Duration = Duration::from_millis(5);

/// Ticket numbers held ready for new conversations; a message is rarely the first.
const REFS_AT_REST: u32 = 16;

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
    let refs = Arc::new(TicketRefs::starting_with(REFS_AT_REST));
    let resolver = Resolver::new(pool.clone(), outbox.clone());
    let whatsapp = WhatsappResolver::new(pool.clone(), outbox.clone(), Arc::clone(&refs));
    let email = EmailResolver::new(pool.clone(), outbox, Arc::clone(&refs));
    let settings = |topic| ConsumerSettings {
        parking: true,
        gather: GATHER,
        ..ConsumerSettings::new(SERVICE, topic)
    };

    let mut tasks = JoinSet::new();
    let shutdown = context.shutdown.clone();
    tasks.spawn(deleter.run(shutdown.clone()));
    tasks.spawn(relay.run(shutdown.clone()));
    tasks.spawn(prune(pool.clone(), shutdown.clone()));
    let (web_form, ends) = (bus.clone(), shutdown.clone());
    let from_web_form = settings(Topic::WebformInbound);
    tasks.spawn(async move { Ok(web_form.consume_batches(from_web_form, resolver, ends).await?) });
    let (log, ends) = (bus.clone(), shutdown.clone());
    let from_whatsapp = settings(Topic::WhatsappInbound);
    tasks.spawn(async move { Ok(log.consume_batches(from_whatsapp, whatsapp, ends).await?) });
    let ends = shutdown.clone();
    let from_email = settings(Topic::EmailInbound);
    tasks.spawn(async move { Ok(bus.consume_batches(from_email, email, ends).await?) });
    tasks.spawn(async move { refs.run(&pool, clock::now, &shutdown).await });
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
