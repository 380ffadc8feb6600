//! From the command line to an exit code: parse, install telemetry, serve the
//! probes, run the body, drain, flush.

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, FromArgMatches};
use tracing::{error, info};

use crate::context::Context;
use crate::http;
use crate::settings::ProcessSettings;
use crate::telemetry::Telemetry;

/// The exit code for wrong settings (`sysexits.h`).
pub const EX_USAGE: u8 = 64;

/// How much longer than the drain time a process may live after a signal.
const DRAIN_MARGIN: Duration = Duration::from_secs(5);

/// A setting that only shows as wrong when it is used. Ends the process with
/// [`EX_USAGE`] and its text as the one line.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SettingsError(pub String);

/// A service's own settings beside those of every process.
#[derive(Debug, clap::Parser)]
struct Process<C: Args> {
    #[command(flatten)]
    process: ProcessSettings,
    #[command(flatten)]
    service: C,
}

/// The flags and variables of a service, for documents.
pub fn describe<C: Args>() -> clap::Command {
    Process::<C>::command()
}

/// Runs a service until it ends or a signal comes. Settings come from flags,
/// then from the environment; a wrong one is one line on stderr and exit 64.
pub async fn run<C, F>(name: &'static str, body: F) -> ExitCode
where
    C: Args,
    F: AsyncFnOnce(C, Context) -> anyhow::Result<()>,
{
    let parsed = match parse::<Process<C>>(name, std::env::args_os()) {
        Ok(parsed) => parsed,
        Err(error) => return refuse(&error),
    };
    let telemetry = match Telemetry::install(name, &parsed.process) {
        Ok(telemetry) => telemetry,
        Err(error) => return refuse_settings(name, &format!("{error:#}")),
    };
    let context = Context::new(name, telemetry.registry());
    context.cancel_on_signal();
    let result =
        run_with_probes(&parsed.process, &context, body(parsed.service, context.clone())).await;
    let code = exit_code(name, result);
    telemetry.shut_down().await;
    code
}

/// Runs one command of a command line, which ends by itself: parse, run, exit code.
/// An error is one line on stderr with its causes. `defaults` are variables that count
/// where the environment has none.
pub async fn command<P, F>(name: &'static str, defaults: Vec<(String, String)>, body: F) -> ExitCode
where
    P: CommandFactory + FromArgMatches,
    F: AsyncFnOnce(P) -> anyhow::Result<ExitCode>,
{
    let command = with_defaults(without_empty_variables(P::command().name(name)), &defaults);
    let parsed = match parse_as::<P>(command, std::env::args_os()) {
        Ok(parsed) => parsed,
        Err(error) => return refuse(&error),
    };
    let error = match body(parsed).await {
        Ok(code) => return code,
        Err(error) => error,
    };
    match error.chain().find_map(|e| e.downcast_ref::<SettingsError>()) {
        Some(settings) => refuse_settings(name, &settings.0),
        None => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Serves the probes beside the body; after a signal the body has the drain time.
async fn run_with_probes(
    process: &ProcessSettings,
    context: &Context,
    body: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<()> {
    let probes = http::serve_probes(process.probes_listen, context.clone()).await?;
    info!(service.name = context.name(), probes.address = %probes, "started");
    let deadline = async {
        context.shutdown.cancelled().await;
        tokio::time::sleep(process.drain + DRAIN_MARGIN).await;
    };
    tokio::select! {
        result = body => result,
        () = deadline => Err(anyhow::anyhow!("did not stop within the drain time")),
    }
}

/// Parses flags and environment; an empty variable counts as unset.
pub fn parse<P: CommandFactory + FromArgMatches>(
    name: &'static str,
    arguments: impl IntoIterator<Item = OsString>,
) -> Result<P, clap::Error> {
    parse_as(without_empty_variables(P::command().name(name)), arguments)
}

fn parse_as<P: FromArgMatches>(
    mut command: clap::Command,
    arguments: impl IntoIterator<Item = OsString>,
) -> Result<P, clap::Error> {
    let matches = command.try_get_matches_from_mut(arguments)?;
    P::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

fn with_defaults(mut command: clap::Command, defaults: &[(String, String)]) -> clap::Command {
    for (variable, value) in defaults {
        let has_variable = |argument: &&clap::Arg| {
            argument.get_env().is_some_and(|name| name == variable.as_str())
        };
        let id = command.get_arguments().find(has_variable).map(|argument| argument.get_id());
        if let Some(id) = id.cloned() {
            // Lives as long as the process, which reads this once.
            let value: &'static str = value.clone().leak();
            command = command.mut_arg(id, |argument| {
                argument.required(false).hide_default_value(true).default_value(value)
            });
        }
    }
    command.mut_subcommands(|subcommand| with_defaults(subcommand, defaults))
}

fn without_empty_variables(mut command: clap::Command) -> clap::Command {
    let empty: Vec<_> = command
        .get_arguments()
        .filter(|argument| {
            let value = argument.get_env().and_then(std::env::var_os);
            value.is_some_and(|value| value.is_empty())
        })
        .map(|argument| argument.get_id().clone())
        .collect();
    for id in empty {
        command = command.mut_arg(id, |argument| argument.env(clap::builder::Resettable::Reset));
    }
    command.mut_subcommands(without_empty_variables)
}

/// Help and version go to stdout with 0; anything else is one line and 64.
fn refuse(error: &clap::Error) -> ExitCode {
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        eprintln!("{error}");
        return ExitCode::from(EX_USAGE);
    }
    if error.use_stderr() {
        let text = error.render().to_string();
        let line: Vec<_> = text
            .lines()
            .map(str::trim)
            .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"))
            .filter(|line| !line.is_empty())
            .collect();
        eprintln!("{}", line.join(" "));
        return ExitCode::from(EX_USAGE);
    }
    // A closed stdout is no reason to fail.
    drop(error.print());
    ExitCode::SUCCESS
}

fn refuse_settings(name: &str, message: &str) -> ExitCode {
    eprintln!("error: {name}: {message}");
    ExitCode::from(EX_USAGE)
}

fn exit_code(name: &'static str, result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => {
            info!(service.name = name, "stopped");
            ExitCode::SUCCESS
        }
        Err(error) => {
            if let Some(settings) = error.chain().find_map(|e| e.downcast_ref::<SettingsError>()) {
                return refuse_settings(name, &settings.0);
            }
            error!(service.name = name, error.cause_chain = format!("{error:#}"), "failed");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::DatabaseSettings;

    #[derive(Debug, clap::Args)]
    struct Config {
        #[command(flatten)]
        database: DatabaseSettings,
    }

    fn arguments(list: &[&str]) -> Vec<OsString> {
        list.iter().map(Into::into).collect()
    }

    #[test]
    fn a_missing_required_setting_is_named() {
        let error = parse::<Process<Config>>("x", arguments(&["x"]));

        if std::env::var_os("DATABASE_URL").is_none() {
            assert!(error.unwrap_err().to_string().contains("--database-url"));
        }
    }

    #[test]
    fn a_default_counts_below_the_command_where_nothing_else_is_set() {
        #[derive(Debug, clap::Parser)]
        enum Cli {
            Part {
                #[arg(long, env = "FTE_TEST_REQUIRED")]
                required: String,
            },
        }
        let defaults = [("FTE_TEST_REQUIRED".to_owned(), "x y".to_owned())];
        let command = || with_defaults(Cli::command(), &defaults);
        let parse = |list: &[&str]| parse_as::<Cli>(command(), arguments(list)).unwrap();

        let Cli::Part { required } = parse(&["x", "part"]);
        assert_eq!(required, "x y");
        let Cli::Part { required } = parse(&["x", "part", "--required", "z"]);
        assert_eq!(required, "z");
    }

    #[test]
    fn a_secret_never_shows_in_help_or_debug() {
        let given = ["x", "--database-url", "postgres://u:hunter2@127.0.0.1/d"];
        let parsed = parse::<Process<Config>>("x", arguments(&given)).unwrap();
        let help = Process::<Config>::command().render_long_help().to_string();

        assert!(!format!("{parsed:?}").contains("hunter2"));
        assert!(!help.contains("hunter2"));
    }

    #[test]
    fn a_wrong_setting_ends_with_64() {
        let error = anyhow::Error::new(SettingsError("FTE_SECRET is too short".to_owned()));

        assert_eq!(exit_code("x", Err(error)), ExitCode::from(EX_USAGE));
        assert_eq!(exit_code("x", Err(anyhow::anyhow!("x"))), ExitCode::FAILURE);
        assert_eq!(exit_code("x", Ok(())), ExitCode::SUCCESS);
    }
}
