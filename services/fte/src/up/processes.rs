//! Each service as its own process, restarted alone when it stops.

use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use chassis::{Context, EX_USAGE};
use servers::Process;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use crate::up::backoff::Backoff;
use crate::up::service::Service;
use crate::up::settings::Settings;

/// A service's program and its two addresses.
#[derive(Debug, Clone)]
pub(crate) struct ServiceProcess {
    pub(crate) service: Service,
    pub(crate) address: SocketAddr,
    pub(crate) probes: SocketAddr,
    program: PathBuf,
}

/// Finds the programs beside this one and a pair of free ports for each.
pub(crate) async fn plan() -> anyhow::Result<Vec<ServiceProcess>> {
    let own = std::env::current_exe().context("where this program is")?;
    let folder = own.parent().context("where this program is")?;
    // All ports are held until the last is known, else the same may come twice.
    let mut held = Vec::new();
    let mut processes = Vec::new();
    for service in Service::ALL {
        let program = folder.join(service.name());
        anyhow::ensure!(program.is_file(), "{} is not there: build it first", program.display());
        let (address, probes) = (free_port(&mut held).await?, free_port(&mut held).await?);
        processes.push(ServiceProcess { service, address, probes, program });
    }
    Ok(processes)
}

async fn free_port(held: &mut Vec<TcpListener>) -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await.context("no free port")?;
    let address = listener.local_addr()?;
    held.push(listener);
    Ok(address)
}

/// Starts every process; the tasks end after the shutdown, or with an error when a
/// service's settings are wrong, which no restart mends.
pub(crate) fn start(
    context: &Context,
    settings: &Settings,
    processes: &[ServiceProcess],
    drain: Duration,
) -> JoinSet<anyhow::Result<()>> {
    let mut tasks = JoinSet::new();
    for process in processes {
        let (context, settings) = (context.clone(), settings.clone());
        tasks.spawn(keep_running(process.clone(), context, settings, drain));
    }
    tasks
}

async fn keep_running(
    plan: ServiceProcess,
    context: Context,
    settings: Settings,
    drain: Duration,
) -> anyhow::Result<()> {
    let name = plan.service.name();
    let mut backoff = Backoff::default();
    loop {
        let began = Instant::now();
        let child = spawn(&plan, &settings).await?;
        info!(service.name = name, process.pid = child.pid(), "process started");
        let status = tokio::select! {
            status = child.exited() => status,
            () = context.shutdown.cancelled() => {
                child.terminate(drain).await?;
                return Ok(());
            }
        };
        // It has said itself, in one line, which setting is wrong.
        anyhow::ensure!(
            status.code() != Some(EX_USAGE.into()),
            chassis::SettingsError(format!("{name} refused its settings"))
        );
        let wait = backoff.after(began.elapsed());
        warn!(
            service.name = name,
            process.exit_code = status.code(),
            process.signal = status.signal(),
            restart.wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
            "process ended"
        );
        tokio::select! {
            () = sleep(wait) => {}
            () = context.shutdown.cancelled() => return Ok(()),
        }
    }
}

async fn spawn(plan: &ServiceProcess, settings: &Settings) -> anyhow::Result<Process> {
    let started = Process::start(plan.service.name(), &plan.program, |command| {
        // By the environment: arguments are readable for every user of the machine.
        command.envs(settings.iter());
        command.env("FTE_LISTEN", plan.address.to_string());
        command.env("FTE_PROBES_LISTEN", plan.probes.to_string());
    });
    Ok(started.await?)
}
