//! The settings of the commands that measure and judge: exit 1 on a breach.

use std::path::PathBuf;
use std::time::Duration;

use chassis::settings::BusKind;
use clap::{Args, ValueEnum};

/// How long others wait beside those who take more than their share
///
/// Starts a PostgreSQL, the log and every service on 127.0.0.1. Customers write by form and
/// WhatsApp, first alone, then beside one customer's thousands of messages, a poisonous
/// conversation, a bulk replay of dead letters, and a provider that answers in five seconds. Exit
/// 1 when the others' p95 is more than twice that without the disturber, on either way.
#[derive(Debug, Args)]
pub(super) struct Fairness {
    /// Which log to use
    #[arg(long, default_value = "kafka")]
    pub(super) bus: BusKind,
    /// Length of each part
    #[arg(long, default_value = "20s", value_parser = humantime::parse_duration)]
    pub(super) span: Duration,
    /// Forms that others send a second
    #[arg(long, default_value_t = 20)]
    pub(super) forms: u32,
    /// WhatsApp messages that others send a second
    #[arg(long, default_value_t = 4)]
    pub(super) whatsapp: u32,
    /// Messages of the one customer
    #[arg(long, default_value_t = 10_000)]
    pub(super) messages: u64,
    /// Messages that the one customer sends a second
    #[arg(long, default_value_t = 250)]
    pub(super) per_second: u32,
    /// Dead letters that are replayed
    #[arg(long, default_value_t = 1_000)]
    pub(super) letters: usize,
    /// Folder with the articles that the agent answers from
    #[arg(long, default_value = "knowledge")]
    pub(super) knowledge: PathBuf,
}

/// Three agents and three dispatchers, each replaced in turn under load
///
/// Starts a PostgreSQL, the log and every service on 127.0.0.1. Each replica gets its SIGTERM once
/// its successor is ready, as Kubernetes does. Prints the time from a message to its reply at the
/// outlet before and during it. Exit 1 when a message is lost, or the provider's record shows a
/// reply twice or not at all.
#[derive(Debug, Args)]
pub(super) struct Rolling {
    /// Which log to use
    #[arg(long, default_value = "kafka")]
    pub(super) bus: BusKind,
    /// Length of the part before the first replacement
    #[arg(long, default_value = "20s", value_parser = humantime::parse_duration)]
    pub(super) span: Duration,
    /// Forms a second
    #[arg(long, default_value_t = 20)]
    pub(super) forms: u32,
    /// WhatsApp messages a second
    #[arg(long, default_value_t = 4)]
    pub(super) whatsapp: u32,
    /// Folder with the articles that the agent answers from
    #[arg(long, default_value = "knowledge")]
    pub(super) knowledge: PathBuf,
}

/// Who goes away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Server {
    Broker,
    Database,
}

/// Broker or database away for a while under load
///
/// Starts a PostgreSQL, the log and every service on 127.0.0.1. Customers send forms and try again
/// after a 503. Exit 1 when 60 s after the server's return not everything is answered, when a
/// ticket is lost or stored twice, or when there is a dead letter.
#[derive(Debug, Args)]
pub(super) struct Outage {
    /// Which server goes away
    #[arg(long, value_enum)]
    pub(super) of: Server,
    /// How long it is away
    #[arg(long = "for", default_value = "60s", value_parser = humantime::parse_duration)]
    pub(super) length: Duration,
    /// Tickets a second
    #[arg(long, default_value_t = 100)]
    pub(super) rate: u32,
    /// Which log to use
    #[arg(long, default_value = "kafka")]
    pub(super) bus: BusKind,
    /// Folder with the articles that the agent answers from
    #[arg(long, default_value = "knowledge")]
    pub(super) knowledge: PathBuf,
}

/// A steady load for a long time: memory, file handles and tables
///
/// Starts a PostgreSQL, the log and every service on 127.0.0.1. Every 5 s it reads each service's
/// resident memory and open files, the rows of the tables that work passes through, and the
/// records of the log that nobody has finished. Exit 1 when the median of the last third of a
/// series is above 1.2 times that of the second and a slack (8 MB, 16 files, 200 rows).
#[derive(Debug, Args)]
pub(super) struct Soak {
    /// Length of the load
    #[arg(long, default_value = "15m", value_parser = humantime::parse_duration)]
    pub(super) duration: Duration,
    /// Forms a second
    #[arg(long, default_value_t = 100)]
    pub(super) rate: u32,
    /// WhatsApp messages a second
    #[arg(long, default_value_t = 4)]
    pub(super) whatsapp: u32,
    /// Which log to use
    #[arg(long, default_value = "kafka")]
    pub(super) bus: BusKind,
    /// Folder with the articles that the agent answers from
    #[arg(long, default_value = "knowledge")]
    pub(super) knowledge: PathBuf,
}
