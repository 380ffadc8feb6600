//! `fte bench`: measures the product on this machine, and what it compares with in the
//! same run; or judges what it measures.

mod agent;
mod embedding;
mod fairness;
mod fleet;
mod judged;
mod outage;
mod pipeline;
mod rolling;
mod soak;
mod stage;
mod webhook;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use chassis::settings::{BusSettings, DatabaseSettings};
use clap::{Args, Subcommand};

use crate::bench::bare;

/// Measure the product on this machine
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    subject: Subject,
}

#[derive(Debug, Subcommand)]
enum Subject {
    Agent(Agent),
    Pipeline(Pipeline),
    Webhook(Webhook),
    Fairness(judged::Fairness),
    Rolling(judged::Rolling),
    Outage(judged::Outage),
    Soak(judged::Soak),
    #[command(hide = true)]
    BareHandler(BareHandler),
}

/// Web form to stored answer: rates, latencies, CPU, memory and SQL per ticket
///
/// Starts a PostgreSQL, an Apache Kafka and every service as a process of its own, all on
/// 127.0.0.1, and stops them afterwards. Use a release build, on an idle machine.
#[derive(Debug, Args)]
pub(crate) struct Pipeline {
    /// Tickets a second in the throughput part
    #[arg(long, default_value_t = 500)]
    rate: u32,
    /// Length of the throughput part
    #[arg(long, default_value = "60s", value_parser = humantime::parse_duration)]
    duration: Duration,
    /// Tickets a second in the latency part
    #[arg(long, default_value_t = 100)]
    latency_rate: u32,
    /// Length of the latency part
    #[arg(long, default_value = "20s", value_parser = humantime::parse_duration)]
    latency_duration: Duration,
    /// Connections of the generator
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Length of each acknowledgement part (submit, bare handler, broker)
    #[arg(long, default_value = "10s", value_parser = humantime::parse_duration)]
    acknowledge_duration: Duration,
    /// Folder with the articles that the agent answers from
    #[arg(long, default_value = "knowledge")]
    knowledge: PathBuf,
}

/// Turns with a model server: turns a second, where their time goes, memory
///
/// Starts a PostgreSQL, an Apache Kafka and a model server on 127.0.0.1. First the local model of
/// embeddings alone, then one agent beside conversations that wait, with embeddings of the server and with the local ones; then the whole
/// pipeline with a model that answers at once. Use a release build, on an idle machine.
#[derive(Debug, Args)]
pub(crate) struct Agent {
    /// Conversations that wait
    #[arg(long, default_value_t = 2_000)]
    conversations: u32,
    /// How long the model takes for an answer
    #[arg(long, default_value = "1s", value_parser = humantime::parse_duration)]
    model_latency: Duration,
    /// Tickets a second in the part with the whole pipeline
    #[arg(long, default_value_t = 450)]
    rate: u32,
    /// Length of that part
    #[arg(long, default_value = "30s", value_parser = humantime::parse_duration)]
    duration: Duration,
    /// Connections of the generator
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Folder with the articles that the agent answers from
    #[arg(long, default_value = "knowledge")]
    knowledge: PathBuf,
}

/// WhatsApp's webhook beside a bare handler: rates, latencies, memory
///
/// Starts a PostgreSQL and an Apache Kafka on 127.0.0.1, then the bare handler and whatsapp-ingress
/// one after the other at 16, 64 and 256 connections, and stops them afterwards. Use a release
/// build, on an idle machine.
#[derive(Debug, Args)]
pub(crate) struct Webhook {
    /// Length of each part
    #[arg(long, default_value = "10s", value_parser = humantime::parse_duration)]
    duration: Duration,
}

/// Serve the handlers that submissions and webhooks are compared with
#[derive(Debug, Args)]
pub(crate) struct BareHandler {
    #[arg(long, env = "FTE_LISTEN")]
    listen: SocketAddr,
    #[command(flatten)]
    database: DatabaseSettings,
    #[command(flatten)]
    bus: BusSettings,
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    match arguments.subject {
        Subject::Agent(agent) => agent.run().await?,
        Subject::Pipeline(pipeline) => pipeline.run().await?,
        Subject::Webhook(webhook) => webhook.run().await?,
        Subject::Fairness(fairness) => return Box::pin(fairness.run()).await,
        Subject::Rolling(rolling) => return Box::pin(rolling.run()).await,
        Subject::Outage(outage) => return Box::pin(outage.run()).await,
        Subject::Soak(soak) => return Box::pin(soak.run()).await,
        Subject::BareHandler(handler) => {
            let bus = handler.bus.connect(&handler.database.pool("bench")?).await?;
            bare::serve(handler.listen, bus.publisher()).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
