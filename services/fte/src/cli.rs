//! The commands and their help.

use std::path::Path;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::commands::{
    bench, channels, chaos, customers, dlq, doctor, eval, inbox, kb, lag, ledger, migrate, openapi,
    probe, say, settings, tail, topics, turns, up, verify, with_servers,
};
use crate::up::data;

const EXIT_CODES: &str = "\
Exit codes: 0 done, 1 failed, 64 wrong settings or usage.
Every setting is a flag or a variable; the flag wins, and an empty variable counts as unset.";

/// A customer-support agent that works day and night.
///
/// Start everything on this machine with `fte up`, then open http://127.0.0.1:8080/support.
#[derive(Debug, Parser)]
#[command(version, after_help = EXIT_CODES, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Up(up::Arguments),
    Migrate(migrate::Arguments),
    Tail(tail::Arguments),
    Lag(lag::Arguments),
    Dlq(dlq::Arguments),
    Inbox(inbox::Arguments),
    Customers(customers::Arguments),
    Say(say::Arguments),
    Kb(kb::Arguments),
    Channels(channels::Arguments),
    Turns(turns::Arguments),
    Doctor(Box<doctor::Arguments>),
    Verify(verify::Arguments),
    Ledger(ledger::Arguments),
    Chaos(chaos::Arguments),
    Bench(bench::Arguments),
    Eval(Box<eval::Arguments>),
    #[command(subcommand)]
    Topics(topics::Command),
    Openapi(openapi::Arguments),
    Settings(settings::Arguments),
    Probe(probe::Arguments),
    #[command(hide = true)]
    WithServers(with_servers::Arguments),
}

/// Where a running `fte up` left its database, log and addresses for the other commands.
/// The commands that start servers themselves must not find those of another run.
pub(crate) fn defaults() -> Vec<(String, String)> {
    let starts_servers =
        |command: &str| matches!(command, "up" | "with-servers" | "bench" | "eval" | "chaos");
    if std::env::args().nth(1).is_none_or(|command| starts_servers(&command)) {
        return Vec::new();
    }
    let folder = std::env::var_os("FTE_DATA").filter(|folder| !folder.is_empty());
    data::read_environment(Path::new(&folder.unwrap_or_else(|| up::DATA_FOLDER.into())))
}

pub(crate) async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        Command::Up(arguments) => Box::pin(up::run(arguments)).await,
        Command::Migrate(arguments) => migrate::run(arguments).await,
        Command::Tail(arguments) => tail::run(arguments).await,
        Command::Lag(arguments) => lag::run(arguments).await,
        Command::Verify(arguments) => verify::run(arguments).await,
        Command::Ledger(arguments) => ledger::run(arguments).await,
        Command::Eval(arguments) => Box::pin(eval::run(*arguments)).await,
        Command::Chaos(arguments) => Box::pin(chaos::run(arguments)).await,
        Command::Bench(arguments) => bench::run(arguments).await,
        Command::Settings(arguments) => settings::run(&arguments),
        Command::Openapi(arguments) => openapi::run(&arguments),
        Command::Kb(arguments) => kb::run(arguments).await,
        Command::Turns(arguments) => turns::run(arguments).await,
        Command::Channels(arguments) => channels::run(arguments).await,
        Command::Doctor(arguments) => Box::pin(doctor::run(*arguments)).await,
        Command::Dlq(arguments) => dlq::run(arguments).await,
        Command::Inbox(arguments) => inbox::run(arguments).await,
        Command::Customers(arguments) => customers::run(arguments).await,
        Command::Probe(arguments) => probe::run(arguments).await,
        Command::Say(arguments) => say::run(arguments).await,
        Command::Topics(command) => topics::run(command).await,
        Command::WithServers(arguments) => with_servers::run(arguments).await,
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_commands_are_well_formed_and_explain_themselves() {
        let command = Cli::command();

        command.clone().debug_assert();
        for subcommand in command.get_subcommands() {
            assert!(subcommand.get_about().is_some(), "{} has no help", subcommand.get_name());
        }
    }
}
