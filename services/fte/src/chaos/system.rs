//! The whole system with processes of its own: PostgreSQL and the broker of this run,
//! and an `fte up` between them that runs every service and plays the providers.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use chassis::settings::{BusKind, DatabaseSettings};
use chrono::{DateTime, Utc};
use rustix::process::Signal;
use secrecy::SecretString;
use serde_json::Value;
use servers::Process;
use sqlx::PgPool;
use tokio::time::{Instant, sleep, timeout};

use crate::backing::Backing;
use crate::commands::say::{Emulator, field};
use crate::processes::{Member, children_of, environment_of, free_address, signal};
use crate::up::data::read_environment;
use crate::up::service::Service;

/// Servers, eight services and perhaps a debug build on a busy machine.
const START_LIMIT: Duration = Duration::from_secs(180);
const STOP_LIMIT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(100);
const OPERATOR: &str = "chaos";

/// Instead of 50 s: what hangs should cost a run little.
const MODEL_TIMEOUT: &str = "5s";

/// What begins so is about servers that are not this run's.
const OUTSIDE: [&str; 6] =
    ["TWILIO_", "GMAIL_", "OPENAI_", "EMBEDDING_MODEL", "FTE_MODEL_", "KAFKA_"];

/// A run's system.
pub(crate) struct System {
    pub(crate) folder: PathBuf,
    pub(crate) pool: PgPool,
    pub(crate) url: String,
    pub(crate) token: String,
    pub(crate) twilio: Emulator,
    pub(crate) gmail: Emulator,
    pub(crate) model: Emulator,
    pub(crate) backing: Backing,
    up: Process,
}

impl System {
    /// Starts everything below the folder and waits until it takes work.
    pub(crate) async fn start(folder: &Path, bus: BusKind) -> anyhow::Result<Self> {
        let backing = Backing::start(folder, bus, false).await?;
        let token = format!("{:032x}", rand::random::<u128>());
        let listen = free_address()?;
        let up = start_up(folder, &backing, &token, listen, bus).await?;
        wait_until_ready(&up, folder).await?;
        let settings = DatabaseSettings {
            database_url: SecretString::from(backing.database_url.clone()),
            database_connections: 8,
        };
        let told = read_environment(&folder.join("data"));
        let url = |name: &str| told.iter().find(|(key, _)| key == name).map(|(_, url)| url.clone());
        let model = url("OPENAI_BASE_URL");
        let model = model.as_deref().and_then(|url| url.strip_suffix("/v1")).map(str::to_owned);
        Ok(Self {
            folder: folder.to_owned(),
            pool: settings.pool("chaos")?,
            url: format!("http://{listen}"),
            token,
            twilio: Emulator::at(url("TWILIO_API_BASE_URL"), "TWILIO_…")?,
            gmail: Emulator::at(url("GMAIL_API_BASE_URL"), "GMAIL_…")?,
            model: Emulator::at(model, "OPENAI_…")?,
            backing,
            up,
        })
    }

    /// The process of a service, if it runs now.
    pub(crate) fn pid_of(&self, service: &str) -> Option<u32> {
        children_of(self.up.pid()).into_iter().find(|(_, name)| name == service).map(|(pid, _)| pid)
    }

    /// When a process of a service ended that was not asked to.
    pub(crate) fn deaths_of(&self, service: &str) -> anyhow::Result<Vec<DateTime<Utc>>> {
        let log = fs::read_to_string(up_log(&self.folder))?;
        Ok(log.lines().filter_map(|line| death(line, service)).collect())
    }

    /// Another process of a service, told the same as the first.
    pub(crate) async fn replica(&self, service: &str) -> anyhow::Result<Option<Member>> {
        let (Some(first), Some(service)) = (self.pid_of(service), Service::named(service)) else {
            return Ok(None);
        };
        let environment = environment_of(first)?;
        let log =
            File::options().create(true).append(true).open(self.folder.join("replicas.log"))?;
        let replica = Member::start(service, |command| {
            command.env_clear().envs(environment).stderr(log);
        });
        replica.await.map(Some)
    }

    /// Stops the services in order, then the servers.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        signal(self.up.pid(), Signal::TERM)?;
        let stopped = timeout(STOP_LIMIT, self.up.exited()).await;
        self.pool.close().await;
        self.backing.stop().await?;
        stopped.context("`fte up` did not stop")?;
        Ok(())
    }
}

/// The moment of a death in a line of the log of `fte up`; an end with code 0 is none.
fn death(line: &str, service: &str) -> Option<DateTime<Utc>> {
    let said: Value = serde_json::from_str(line).ok()?;
    let is_death = field(&said, "message") == "process ended"
        && field(&said, "service.name") == service
        && said.get("process.exit_code").and_then(Value::as_i64) != Some(0);
    is_death.then(|| field(&said, "timestamp").parse().ok())?
}

/// What `fte up` and its services have written.
fn up_log(folder: &Path) -> PathBuf {
    folder.join("up.log")
}

/// It stops, and its services with it, when this process ends in whatever way.
async fn start_up(
    folder: &Path,
    backing: &Backing,
    token: &str,
    listen: SocketAddr,
    bus: BusKind,
) -> anyhow::Result<Process> {
    let bus = if bus == BusKind::Kafka { "kafka" } else { "postgres" };
    let log = File::create(up_log(folder))?;
    let program = std::env::current_exe()?;
    let started = Process::start("fte up", &program, |command| {
        command
            .args(["up", "--processes", "--listen", &listen.to_string(), "--bus", bus])
            .args(["--model", "emulator", "--data"])
            .arg(folder.join("data"));
        for variable in std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()) {
            if OUTSIDE.iter().any(|prefix| variable.starts_with(prefix)) {
                command.env_remove(variable);
            }
        }
        command
            .env("DATABASE_URL", &backing.database_url)
            .env("OPERATOR_TOKENS", format!("{OPERATOR}:{token}"))
            .env("FTE_RATE_LIMITS", "off")
            .env("FTE_MODEL_TIMEOUT", MODEL_TIMEOUT)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        if let Some(servers) = &backing.bootstrap_servers {
            command.env("KAFKA_BOOTSTRAP_SERVERS", servers);
        }
    });
    Ok(started.await?)
}

async fn wait_until_ready(up: &Process, folder: &Path) -> anyhow::Result<()> {
    let log = up_log(folder);
    let deadline = Instant::now() + START_LIMIT;
    loop {
        let said = fs::read_to_string(&log).unwrap_or_default();
        if said.lines().any(|line| line.starts_with("ready ")) {
            return Ok(());
        }
        let is_late = Instant::now() > deadline || said.contains("\nnot ready");
        anyhow::ensure!(!up.has_exited() && !is_late, "`fte up` is not ready: {}", log.display());
        sleep(POLL).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_death_is_read_from_the_log_and_an_orderly_end_is_none() {
        let said = |rest: &str| {
            format!(
                r#"{{"timestamp":"2026-01-05T10:00:00.25Z","level":"WARN",{rest},"message":"process ended"}}"#
            )
        };
        let killed = said(r#""service.name":"dispatcher","process.signal":9"#);

        assert!(death(&killed, "dispatcher").is_some());
        assert!(death(&killed, "agent").is_none());
        let ended = said(r#""service.name":"dispatcher","process.exit_code":0"#);
        assert!(death(&ended, "dispatcher").is_none());
        assert!(death("ready after 3 s", "dispatcher").is_none());
    }
}
