//! `fte with-servers`: runs a command beside a PostgreSQL and a broker of its own.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitCode, ExitStatus};

use anyhow::Context as _;
use clap::Args;
use rustix::process::{Pid, Signal, kill_process};
use servers::{Kafka, Postgres};
use tokio::process::Child;
use tokio::signal::unix::{SignalKind, signal};

/// Run a command beside a PostgreSQL and an Apache Kafka of its own
///
/// Both start on free ports with empty folders. The command finds them in DATABASE_URL and
/// KAFKA_BOOTSTRAP_SERVERS, and its exit code is returned. Without --postgres or --kafka both
/// are started.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Start PostgreSQL
    #[arg(long)]
    postgres: bool,
    /// Start Apache Kafka
    #[arg(long)]
    kafka: bool,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let is_both = arguments.postgres == arguments.kafka;
    let (program, rest) = arguments.command.split_first().context("no command")?;
    let mut command = tokio::process::Command::new(program);
    command.args(rest);
    let (postgres, kafka) = tokio::try_join!(
        async { if is_both || arguments.postgres { start_postgres().await } else { Ok(None) } },
        async { if is_both || arguments.kafka { start_kafka().await } else { Ok(None) } },
    )?;
    if let Some(postgres) = &postgres {
        command.env("DATABASE_URL", postgres.url("postgres"));
    }
    if let Some(kafka) = &kafka {
        command.env("KAFKA_BOOTSTRAP_SERVERS", kafka.bootstrap_servers());
    }
    let child = command.spawn().with_context(|| program.to_string_lossy().into_owned())?;
    let status = wait(child).await?;
    if let Some(kafka) = kafka {
        kafka.stop().await?;
    }
    if let Some(postgres) = postgres {
        postgres.stop().await?;
    }
    Ok(code_of(status))
}

async fn start_postgres() -> anyhow::Result<Option<Postgres>> {
    eprintln!("starting PostgreSQL");
    Ok(Some(Postgres::temporary().await?))
}

async fn start_kafka() -> anyhow::Result<Option<Kafka>> {
    eprintln!("starting Apache Kafka");
    Ok(Some(Kafka::temporary().await?))
}

/// The command decides when to end: a terminal's Ctrl-C reaches it by itself, SIGTERM
/// is passed on.
async fn wait(mut child: Child) -> anyhow::Result<ExitStatus> {
    let pid = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    loop {
        tokio::select! {
            status = child.wait() => return Ok(status?),
            _ = interrupt.recv() => {}
            _ = terminate.recv() => pid.map_or(Ok(()), |pid| kill_process(pid, Signal::TERM))?,
        }
    }
}

/// As a shell does: 128 plus the signal for a command that was killed.
fn code_of(status: ExitStatus) -> ExitCode {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from)
}
