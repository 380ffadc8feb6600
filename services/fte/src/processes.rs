//! Services as processes of their own: started beside this program, asked whether they
//! take work, found by their parent, signalled.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;

use servers::Process;

use crate::up::service::Service;

/// Longest wait for a service to say that it is ready: in a debug build on a busy machine
/// the agent reads its model for a long time.
const START_LIMIT: Duration = Duration::from_secs(120);

/// Longest wait for a drain.
const STOP_LIMIT: Duration = Duration::from_secs(30);

const POLL: Duration = Duration::from_millis(50);

/// A service's program and its two addresses.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    pub(crate) service: Service,
    pub(crate) address: SocketAddr,
    pub(crate) probes: SocketAddr,
    path: PathBuf,
}

impl Program {
    /// Finds the programs beside this one and a pair of free ports for each.
    pub(crate) fn all(services: impl IntoIterator<Item = Service>) -> anyhow::Result<Vec<Self>> {
        let own = std::env::current_exe().context("where this program is")?;
        // All ports are held until the last is known, else the same may come twice.
        let mut held = Vec::new();
        let mut programs = Vec::new();
        for service in services {
            let path = own.with_file_name(service.name());
            anyhow::ensure!(path.is_file(), "{} is not there: build it first", path.display());
            let (address, probes) = (free_port(&mut held)?, free_port(&mut held)?);
            programs.push(Self { service, address, probes, path });
        }
        Ok(programs)
    }

    /// The same for one.
    pub(crate) fn one(service: Service) -> anyhow::Result<Self> {
        Self::all([service])?.pop().context("no program")
    }

    /// Starts it at its addresses; `configure` tells it the rest, by the environment:
    /// arguments are readable for every user of the machine.
    pub(crate) async fn start(
        &self,
        configure: impl FnOnce(&mut Command),
    ) -> anyhow::Result<Process> {
        let started = Process::start(self.service.name(), &self.path, |command| {
            // As in the image: by default each thread keeps memory that no other one uses again.
            command.env("MALLOC_ARENA_MAX", "1");
            configure(command);
            command.env("FTE_LISTEN", self.address.to_string());
            command.env("FTE_PROBES_LISTEN", self.probes.to_string());
        });
        Ok(started.await?)
    }
}

/// One running service.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) program: Program,
    process: Process,
}

impl Member {
    /// Starts one more of the service, at addresses of its own.
    pub(crate) async fn start(
        service: Service,
        configure: impl FnOnce(&mut Command),
    ) -> anyhow::Result<Self> {
        Self::at(Program::one(service)?, configure).await
    }

    /// Starts it at addresses that are known before.
    pub(crate) async fn at(
        program: Program,
        configure: impl FnOnce(&mut Command),
    ) -> anyhow::Result<Self> {
        let process = program.start(configure).await?;
        Ok(Self { program, process })
    }

    pub(crate) fn name(&self) -> &'static str {
        self.program.service.name()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Waits until the service takes work.
    pub(crate) async fn ready(&self) -> anyhow::Result<()> {
        let url = format!("http://{}/readyz", self.program.probes);
        let answers = async {
            while !reqwest::get(&url).await.is_ok_and(|answer| answer.status().is_success()) {
                tokio::time::sleep(POLL).await;
            }
        };
        tokio::select! {
            ready = tokio::time::timeout(START_LIMIT, answers) => {
                ready.with_context(|| format!("{} is not ready", self.name()))
            }
            status = self.process.exited() => {
                Err(anyhow::anyhow!("{} ended with {status}; see its log", self.name()))
            }
        }
    }

    /// Its metrics, as Prometheus reads them.
    pub(crate) async fn metrics(&self) -> anyhow::Result<String> {
        let url = format!("http://{}/metrics", self.program.probes);
        Ok(reqwest::get(&url).await?.error_for_status()?.text().await?)
    }

    /// SIGTERM, then waits for the drain.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        Ok(self.process.terminate(STOP_LIMIT).await?)
    }

    /// SIGKILL, as by the kernel.
    pub(crate) async fn kill(self) -> anyhow::Result<()> {
        signal(self.pid(), Signal::KILL)?;
        self.process.exited().await;
        Ok(())
    }
}

/// A port that was free a moment ago.
pub(crate) fn free_address() -> anyhow::Result<SocketAddr> {
    free_port(&mut Vec::new())
}

fn free_port(held: &mut Vec<TcpListener>) -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port")?;
    let address = listener.local_addr()?;
    held.push(listener);
    Ok(address)
}
use rustix::process::{Pid, Signal, kill_process};

/// The processes that this one has started, with the names of their programs.
pub(crate) fn children_of(parent: u32) -> Vec<(u32, String)> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| parent_of(*pid) == Some(parent)).map(|pid| (pid, program_of(pid))).collect()
}

fn program_of(pid: u32) -> String {
    let path = fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    // A program that was built anew meanwhile is marked so.
    name.unwrap_or_default().trim_end_matches(" (deleted)").to_owned()
}

fn parent_of(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in brackets may hold anything; state and parent follow it.
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(1)?.parse().ok()
}

/// What a process was told at its start.
pub(crate) fn environment_of(pid: u32) -> anyhow::Result<Vec<(String, String)>> {
    let bytes = fs::read(format!("/proc/{pid}/environ"))?;
    let text = String::from_utf8(bytes).context("an environment that is no text")?;
    let pairs = text.split('\0').filter_map(|pair| pair.split_once('='));
    Ok(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

/// Sends a signal; that the process is gone is no error.
pub(crate) fn signal(pid: u32, signal: Signal) -> anyhow::Result<()> {
    let pid = Pid::from_raw(pid.cast_signed()).context("no process")?;
    match kill_process(pid, signal) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
