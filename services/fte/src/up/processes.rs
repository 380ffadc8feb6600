//! Each service as its own process, restarted alone when it stops.

use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use chassis::{Context, EX_USAGE};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use crate::processes::Program;
use crate::up::backoff::Backoff;
use crate::up::settings::Settings;

/// Starts every process; the tasks end after the shutdown, or with an error when a
/// service's settings are wrong, which no restart mends.
pub(crate) fn start(
    context: &Context,
    settings: &Settings,
    programs: &[Program],
    drain: Duration,
) -> JoinSet<anyhow::Result<()>> {
    let mut tasks = JoinSet::new();
    for program in programs {
        let (context, settings) = (context.clone(), settings.clone());
        tasks.spawn(keep_running(program.clone(), context, settings, drain));
    }
    tasks
}

async fn keep_running(
    program: Program,
    context: Context,
    settings: Settings,
    drain: Duration,
) -> anyhow::Result<()> {
    let name = program.service.name();
    let mut backoff = Backoff::default();
    loop {
        let began = Instant::now();
        let child = program.start(|command| {
            command.envs(settings.iter());
        });
        let child = child.await?;
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
