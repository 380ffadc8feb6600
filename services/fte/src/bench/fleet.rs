//! The services as processes of their own, on a database and a broker that only
//! this benchmark uses.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

/// Longest wait for a service to say that it is ready, and to stop.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where the fleet's servers are.
#[derive(Debug, Clone)]
pub(crate) struct Surroundings {
    pub(crate) database_url: String,
    pub(crate) bootstrap_servers: String,
    /// Where the services' logs go.
    pub(crate) log_folder: PathBuf,
}

/// One service's process.
pub(crate) struct Member {
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
    probes: SocketAddr,
    child: Child,
}

impl Member {
    /// Starts the program that stands beside this one, with every limit lifted.
    pub(crate) fn start(name: &'static str, surroundings: &Surroundings) -> anyhow::Result<Self> {
        Self::start_with(name, surroundings, &[])
    }

    /// The same with more variables.
    pub(crate) fn start_with(
        name: &'static str,
        surroundings: &Surroundings,
        variables: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let (address, probes) = (free_address()?, free_address()?);
        let program = std::env::current_exe()?.with_file_name(name);
        let log = std::fs::File::create(surroundings.log_folder.join(format!("{name}.log")))?;
        let child = Command::new(&program)
            .env("DATABASE_URL", &surroundings.database_url)
            .env("FTE_BUS", "kafka")
            .env("KAFKA_BOOTSTRAP_SERVERS", &surroundings.bootstrap_servers)
            .env("FTE_LISTEN", address.to_string())
            .env("FTE_PROBES_LISTEN", probes.to_string())
            .env("FTE_RATE_LIMITS", "off")
            .env("FTE_MODEL_PROVIDER", "builtin")
            .env("FTE_SECRET", "a secret of the benchmark and of nothing else")
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| {
                format!("{} (built with `cargo build --release`?)", program.display())
            })?;
        Ok(Self { name, address, probes, child })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id().unwrap_or_default()
    }

    /// Waits until the service takes work.
    pub(crate) async fn ready(&mut self) -> anyhow::Result<()> {
        let url = format!("http://{}/readyz", self.probes);
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while tokio::time::Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                anyhow::bail!("{} ended with {status}; see its log", self.name);
            }
            if reqwest::get(&url).await.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        anyhow::bail!("{} is not ready after {PATIENCE:?}", self.name)
    }

    /// Its metrics, as Prometheus reads them.
    pub(crate) async fn metrics(&self) -> anyhow::Result<String> {
        let url = format!("http://{}/metrics", self.probes);
        Ok(reqwest::get(&url).await?.error_for_status()?.text().await?)
    }

    /// SIGTERM, then waits for the drain.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        if let Some(pid) = self.child.id().and_then(|id| Pid::from_raw(id.cast_signed())) {
            kill_process(pid, Signal::TERM)?;
        }
        tokio::time::timeout(PATIENCE, self.child.wait()).await.context(self.name)??;
        Ok(())
    }
}

/// A port that was free a moment ago.
pub(crate) fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}
