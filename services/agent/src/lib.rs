//! The agent: reads what customers wrote, answers from the knowledge base or hands
//! over to a person. One turn at a time per conversation.

mod answers;
mod any_model;
mod builtin;
mod case;
mod connections;
#[cfg(test)]
mod decisions;
mod draft;
mod effects;
mod egress;
pub mod embedder;
mod fence;
mod hex;
pub mod jobs;
mod judge;
pub mod knowledge;
pub mod log;
mod logged;
mod model;
mod nearest;
pub mod openai;
mod outage;
mod plans;
pub mod policy;
mod prompt;
pub mod replay;
mod reply;
mod results;
mod rounds;
mod search;
mod sendable;
pub mod sentiment;
mod source;
mod statements;
mod steps;
mod tools;
mod turn;
mod wordless;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bus::ConsumerSettings;
use chassis::settings::{BusSettings, DatabaseSettings};
use chassis::{Context, SettingsError};
use contract::Topic;
use store::outbox::OutboxPublisher;
use store::relay::Relay;
use tokio::task::JoinSet;

pub use any_model::{AnyModel, ModelSettings, Provider};
pub use builtin::Builtin;
pub use draft::decide_again;
pub use embedder::{Embedder, EmbedderSettings, EmbeddingSettings};
pub use judge::Judge;
pub use logged::LogError;
pub use model::{
    Answer, Call, CaseFile, Finish, Message, Model, ModelError, ModelFault, Prompt, ToolSpec, Usage,
};
pub use policy::{Policy, Reader};
pub use search::Found;
pub use turn::{Agent, TurnSettings};

/// The service's name, its consumer group and its name in the outbox.
pub const SERVICE: &str = store::turns::SERVICE;

/// Turns that run at once. Most of them wait for a model, so there may be many.
const TURNS: usize = 512;

/// What the service is told from outside.
#[derive(Debug, Clone, clap::Args)]
pub struct Config {
    #[command(flatten)]
    pub database: DatabaseSettings,
    #[command(flatten)]
    pub bus: BusSettings,
    /// Folder of the support policy
    #[arg(long, env = "FTE_POLICY", default_value = "policy")]
    pub policy: PathBuf,
    /// How long after a WhatsApp message the next one still belongs to it, in milliseconds
    #[arg(long, env = "FTE_BURST_WINDOW_MS", default_value_t = 1_500)]
    pub burst_window_ms: u64,
    #[command(flatten)]
    pub model: ModelSettings,
    #[command(flatten)]
    pub embedder: EmbedderSettings,
    /// The longest that the model may take for one turn, in seconds
    #[arg(long, env = "FTE_MODEL_TURN_SECONDS", default_value_t = 60)]
    pub model_turn_seconds: u64,
    /// Most tokens that the model may take for one turn
    #[arg(long, env = "FTE_MODEL_TURN_TOKENS", default_value_t = 60_000)]
    pub model_turn_tokens: u32,
}

/// Runs until shutdown.
pub async fn run(config: Config, context: Context) -> anyhow::Result<()> {
    let policy = Policy::load(&config.policy).map_err(|e| SettingsError(e.to_string()))?;
    let policy = Arc::new(policy);
    let model = config.model.open(&policy)?;
    let server = config.model.remote.embeddings(config.model.outbound)?;
    let embedder = Embedder::open(&config.embedder, server.as_ref());
    let embedder = embedder.map_err(|e| SettingsError(e.to_string()))?;
    let pool = config.database.pool(SERVICE)?;
    let bus = config.bus.connect(&pool).await?;
    let (outbox, deleter) = OutboxPublisher::new(pool.clone(), bus.publisher());
    let relay = Relay::new(SERVICE, "outbox-relay/agent", pool.clone(), bus.publisher());
    let consumer = ConsumerSettings {
        in_flight: TURNS,
        ..ConsumerSettings::new(SERVICE, Topic::TicketsIncoming)
    };
    let settings = TurnSettings {
        burst_window: Duration::from_millis(config.burst_window_ms),
        // One less than there are: the last try is left for the hand-over itself.
        tries: u32::try_from(consumer.retry_delays.len()).unwrap_or(u32::MAX),
        model_time: Duration::from_secs(config.model_turn_seconds),
        model_tokens: config.model_turn_tokens,
    };
    tracing::info!(
        policy.hash = policy.hash(),
        model.name = model.name(),
        embedder.name = embedder.name(),
        "the agent starts"
    );
    let learning = Reader::learned(policy, embedder.clone());
    let Some(reader) = context.shutdown.run_until_cancelled(learning).await.transpose()? else {
        return Ok(());
    };
    let agent = Agent::new(pool.clone(), outbox, reader, embedder, model, settings);

    let mut tasks = JoinSet::new();
    let shutdown = context.shutdown.clone();
    tasks.spawn(deleter.run(shutdown.clone()));
    tasks.spawn(relay.run(shutdown.clone()));
    tasks.spawn(jobs::wake_due_turns(pool.clone(), bus.publisher(), shutdown.clone()));
    tasks.spawn(jobs::resolve_idle(pool, shutdown.clone()));
    tasks.spawn(async move { Ok(bus.consume(consumer, agent, shutdown).await?) });
    context.set_ready(true);
    context.supervise(tasks).await
}
