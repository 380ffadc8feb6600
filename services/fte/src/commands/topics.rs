//! `fte topics`: compares the log with `topics.yaml` and brings it there.

use std::path::PathBuf;
use std::process::ExitCode;

use bus::{Bus, TopicChange};
use chassis::settings::{BusSettings, DatabaseSettings};
use clap::{Args, Subcommand};

use crate::topics::{Profile, read};

/// Compare the log's topics with topics.yaml, and change them
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show what `apply` would do; exit 1 when there is something
    Plan(Arguments),
    /// Create missing topics and change settings
    ///
    /// A topic's partitions are never changed: its keys would move, past their own unfinished
    /// events.
    Apply(Arguments),
}

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Another file than the one of this build
    #[arg(long, value_name = "TOPICS.YAML")]
    file: Option<PathBuf>,
    /// The size of the cluster
    #[arg(long, value_enum, default_value = "production")]
    profile: Profile,
    #[command(flatten)]
    bus: BusSettings,
    #[command(flatten)]
    database: DatabaseSettings,
}

pub(crate) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    let (Command::Plan(arguments) | Command::Apply(arguments)) = &command;
    let specs = read(arguments.file.as_deref(), arguments.profile)?;
    let pool = arguments.database.pool("topics")?;
    let bus: Bus = arguments.bus.connect(&pool).await?;
    let changes = match &command {
        Command::Plan(_) => bus.plan_topics(&specs).await?,
        Command::Apply(_) => bus.apply_topics(&specs).await?,
    };
    for change in &changes {
        eprintln!("{change}");
    }
    if changes.is_empty() {
        eprintln!("the topics are as they should be");
    }
    let is_refused = changes.iter().any(|change| matches!(change, TopicChange::Refuse { .. }));
    let is_planned = matches!(command, Command::Plan(_)) && !changes.is_empty();
    Ok(if is_refused || is_planned { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
