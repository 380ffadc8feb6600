//! The whole system with processes of its own: PostgreSQL and the broker of this run,
//! and an `fte up` between them that runs every service and plays the providers.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use chassis::settings::{BusKind, DatabaseSettings};
use rustix::process::Signal;
use secrecy::SecretString;
use servers::{Kafka, KafkaOptions, Postgres, PostgresOptions};
use sqlx::PgPool;
use tokio::process::{Child, Command};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout};

use crate::bench::fleet::free_address;
use crate::chaos::processes::{children_of, environment_of, signal};
use crate::commands::say::Emulator;
use crate::up::data::read_environment;

/// Servers, eight services and perhaps a debug build on a busy machine.
const START_LIMIT: Duration = Duration::from_secs(180);
const STOP_LIMIT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(100);
const OPERATOR: &str = "chaos";

/// A run's system.
pub(crate) struct System {
    pub(crate) folder: PathBuf,
    pub(crate) pool: PgPool,
    pub(crate) url: String,
    pub(crate) token: String,
    pub(crate) twilio: Emulator,
    pub(crate) gmail: Emulator,
    /// Restarted in its place after a crash.
    pub(crate) postgres: Mutex<Option<Postgres>>,
    pub(crate) kafka: Mutex<Option<Kafka>>,
    up: Child,
}

impl System {
    /// Starts everything below the folder and waits until it takes work.
    pub(crate) async fn start(folder: &Path, bus: BusKind) -> anyhow::Result<Self> {
        let postgres = start_postgres(folder, None).await?;
        let kafka = match bus {
            BusKind::Kafka => Some(start_kafka(folder, None).await?),
            BusKind::Postgres => None,
        };
        let database_url = postgres.url("postgres");
        let token = format!("{:032x}", rand::random::<u128>());
        let listen = free_address()?;
        let servers = kafka.as_ref().map(Kafka::bootstrap_servers);
        let up = start_up(folder, &database_url, servers, &token, listen, bus)?;
        let settings = DatabaseSettings {
            database_url: SecretString::from(database_url),
            database_connections: 8,
        };
        let mut system = Self {
            folder: folder.to_owned(),
            pool: settings.pool("chaos")?,
            url: format!("http://{listen}"),
            token,
            twilio: Emulator::at(Some(String::new()), "")?,
            gmail: Emulator::at(Some(String::new()), "")?,
            postgres: Mutex::new(Some(postgres)),
            kafka: Mutex::new(kafka),
            up,
        };
        system.wait_until_ready().await?;
        let told = read_environment(&folder.join("data"));
        let url = |name: &str| told.iter().find(|(key, _)| key == name).map(|(_, url)| url.clone());
        system.twilio = Emulator::at(url("TWILIO_API_BASE_URL"), "TWILIO_…")?;
        system.gmail = Emulator::at(url("GMAIL_API_BASE_URL"), "GMAIL_…")?;
        Ok(system)
    }

    async fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        let log = up_log(&self.folder);
        let deadline = Instant::now() + START_LIMIT;
        loop {
            let said = fs::read_to_string(&log).unwrap_or_default();
            if said.lines().any(|line| line.starts_with("ready ")) {
                return Ok(());
            }
            let has_ended = self.up.try_wait()?.is_some();
            let is_late = Instant::now() > deadline || said.contains("\nnot ready");
            anyhow::ensure!(!has_ended && !is_late, "`fte up` is not ready: {}", log.display());
            sleep(POLL).await;
        }
    }

    /// The process of a service, if it runs now.
    pub(crate) fn pid_of(&self, service: &str) -> Option<u32> {
        let up = self.up.id()?;
        children_of(up).into_iter().find(|(_, name)| name == service).map(|(pid, _)| pid)
    }

    /// Another process of a service, told the same as the first.
    pub(crate) fn replica(&self, service: &str) -> anyhow::Result<Option<Child>> {
        let Some(first) = self.pid_of(service) else { return Ok(None) };
        let program = std::env::current_exe()?.with_file_name(service);
        let log =
            File::options().create(true).append(true).open(self.folder.join("replicas.log"))?;
        let child = Command::new(program)
            .env_clear()
            .envs(environment_of(first)?)
            .env("FTE_LISTEN", free_address()?.to_string())
            .env("FTE_PROBES_LISTEN", free_address()?.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| service.to_owned())?;
        Ok(Some(child))
    }

    /// Crashes the database and starts it again in its place.
    pub(crate) async fn crash_database(&self) -> anyhow::Result<()> {
        let mut held = self.postgres.lock().await;
        let Some(old) = held.take() else { return Ok(()) };
        let port = old.port();
        old.crash().await?;
        drop(old);
        *held = Some(start_postgres(&self.folder, Some(port)).await?);
        Ok(())
    }

    /// Crashes the broker and starts it again in its place.
    pub(crate) async fn crash_broker(&self) -> anyhow::Result<()> {
        let mut held = self.kafka.lock().await;
        let Some(old) = held.take() else { return Ok(()) };
        let servers = old.bootstrap_servers();
        let port = servers.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
        old.crash().await?;
        drop(old);
        *held = Some(start_kafka(&self.folder, port).await?);
        Ok(())
    }

    /// Stops the services in order, then the servers.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        if let Some(pid) = self.up.id() {
            signal(pid, Signal::TERM)?;
        }
        let stopped = timeout(STOP_LIMIT, self.up.wait()).await;
        self.pool.close().await;
        if let Some(kafka) = self.kafka.lock().await.take() {
            kafka.crash().await?;
        }
        if let Some(postgres) = self.postgres.lock().await.take() {
            postgres.stop().await?;
        }
        stopped.context("`fte up` did not stop")??;
        Ok(())
    }
}

/// What `fte up` and its services have written.
fn up_log(folder: &Path) -> PathBuf {
    folder.join("up.log")
}

async fn start_postgres(folder: &Path, port: Option<u16>) -> anyhow::Result<Postgres> {
    let folder = Some(folder.join("postgres"));
    Ok(Postgres::start(PostgresOptions { folder, port, ..Default::default() }).await?)
}

async fn start_kafka(folder: &Path, port: Option<u16>) -> anyhow::Result<Kafka> {
    let folder = Some(folder.join("kafka"));
    Ok(Kafka::start(KafkaOptions { folder, port, ..Default::default() }).await?)
}

fn start_up(
    folder: &Path,
    database_url: &str,
    servers: Option<String>,
    token: &str,
    listen: SocketAddr,
    bus: BusKind,
) -> anyhow::Result<Child> {
    let bus = if bus == BusKind::Kafka { "kafka" } else { "postgres" };
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args(["up", "--processes", "--listen", &listen.to_string(), "--bus", bus, "--data"])
        .arg(folder.join("data"))
        .env("DATABASE_URL", database_url)
        .env("OPERATOR_TOKENS", format!("{OPERATOR}:{token}"))
        .env("FTE_RATE_LIMITS", "off")
        .env_remove("KAFKA_BOOTSTRAP_SERVERS");
    for variable in std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()) {
        let is_providers = ["TWILIO_", "GMAIL_", "OPENAI_"].iter().any(|p| variable.starts_with(p));
        if is_providers {
            command.env_remove(variable);
        }
    }
    if let Some(servers) = servers {
        command.env("KAFKA_BOOTSTRAP_SERVERS", servers);
    }
    let log = File::create(up_log(folder))?;
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()?;
    Ok(child)
}
