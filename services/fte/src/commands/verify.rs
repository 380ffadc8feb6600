//! `fte verify`: the promises of the pipeline, asked of the database.

use std::process::ExitCode;
use std::time::Duration;

use chassis::settings::DatabaseSettings;
use clap::Args;
use store::verify::{self, Breach, Patience};

use crate::output::line;

/// Check the pipeline's promises in the database
///
/// Each promise is a query that finds what must not exist: its count and the ids of the first five.
/// Exit 1 when a promise does not hold. It only reads, and may be run while everything works.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    database: DatabaseSettings,
    /// How long a message may wait for the agent without a turn that is due
    #[arg(long, default_value = "5m", value_parser = humantime::parse_duration)]
    unhandled_after: Duration,
    /// Let nothing be under way: for a system at rest
    #[arg(long)]
    at_rest: bool,
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let pool = arguments.database.pool("verify")?;
    let patience = match arguments.at_rest {
        true => Patience::NONE,
        false => Patience { unhandled: arguments.unhandled_after, ..Patience::default() },
    };
    let found = verify::check(&pool, patience).await?;
    for breach in &found {
        line(describe(breach))?;
    }
    let holds = found.iter().all(|breach| breach.count == 0);
    Ok(if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// One line for a promise, kept or broken.
pub(crate) fn describe(breach: &Breach) -> String {
    let Breach { invariant, count, examples } = breach;
    match count {
        0 => format!("ok          0  {invariant}"),
        _ => format!("broken {count:>6}  {invariant}: {}", examples.join(", ")),
    }
}
