//! A running child: its pid, its signals, its end.
//!
//! The kernel sends the parent-death signal when the *thread* that started the child
//! ends, and runtime threads come and go. So each child has a thread of its own,
//! which starts it, waits for it and reaps it.

use std::io;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;

use crate::error::ServerError;
use crate::launch::Launch;

/// How long a killed process may take to vanish; the kernel needs milliseconds.
const KILL_LIMIT: Duration = Duration::from_secs(10);

/// A child process that does not outlive us; killed when dropped.
#[derive(Debug)]
pub struct Process {
    name: &'static str,
    pid: u32,
    /// Empty once the child is reaped: from then on its number may be another's.
    live: Arc<Mutex<Option<Pid>>>,
    exited: watch::Receiver<Option<ExitStatus>>,
}

impl Process {
    /// Starts a program of ours, which gets SIGTERM when we die.
    pub async fn start(
        name: &'static str,
        program: &Path,
        configure: impl FnOnce(&mut Command),
    ) -> Result<Self, ServerError> {
        let mut command = Launch::new(program).death_signal("TERM").command();
        configure(&mut command);
        Self::spawn(name, command).await
    }

    pub(crate) async fn spawn(name: &'static str, command: Command) -> Result<Self, ServerError> {
        let program = command.get_program().to_string_lossy().into_owned();
        let failed = |source| ServerError::Spawn { program: program.clone(), source };
        let live = Arc::new(Mutex::new(None));
        let (started, start) = oneshot::channel();
        let (exit, exited) = watch::channel(None);
        let parent_live = Arc::clone(&live);
        thread::Builder::new()
            .name(format!("parent-{name}"))
            .spawn(move || parent(command, &parent_live, started, &exit))
            .map_err(failed)?;
        let gone = || io::Error::other("its parent thread ended");
        let pid = start.await.map_err(|_| failed(gone()))?.map_err(failed)?;
        Ok(Self { name, pid, live, exited })
    }

    pub fn pid(&self) -> u32 {
        self.pid
    }

    pub fn has_exited(&self) -> bool {
        self.exited.borrow().is_some()
    }

    /// Waits for the end and how it came; cancel-safe.
    pub async fn exited(&self) -> ExitStatus {
        let mut exited = self.exited.clone();
        // An error means that the parent thread is gone, and the child with it.
        let status = exited.wait_for(Option::is_some).await;
        status.ok().and_then(|status| *status).unwrap_or_default()
    }

    /// Asks with SIGTERM, and kills what has not stopped within the limit.
    pub async fn terminate(&self, limit: Duration) -> Result<(), ServerError> {
        self.stop(Signal::TERM, limit).await
    }

    /// Does nothing when the child is gone.
    pub(crate) fn signal(&self, signal: Signal) -> Result<(), ServerError> {
        let live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        live.map_or(Ok(()), |pid| kill_process(pid, signal))
            .map_err(|source| ServerError::Signal { name: self.name, source: source.into() })
    }

    /// Asks, waits, kills.
    pub(crate) async fn stop(&self, ask: Signal, limit: Duration) -> Result<(), ServerError> {
        // A stopped process would take the request only when continued.
        self.signal(ask)?;
        self.signal(Signal::CONT)?;
        if timeout(limit, self.exited()).await.is_ok() {
            return Ok(());
        }
        tracing::warn!(server = self.name, "killed: it did not stop in time");
        self.kill().await
    }

    pub(crate) async fn kill(&self) -> Result<(), ServerError> {
        self.signal(Signal::KILL)?;
        drop(timeout(KILL_LIMIT, self.exited()).await);
        Ok(())
    }

    /// For `Drop`, which cannot await: signals and waits a little, blocking.
    pub(crate) fn end_now(&self, signal: Signal) {
        const STEP: Duration = Duration::from_millis(5);
        const STEPS: usize = 400;
        drop(self.signal(signal));
        drop(self.signal(Signal::CONT));
        for _ in 0..STEPS {
            if self.has_exited() {
                return;
            }
            thread::sleep(STEP);
        }
        drop(self.signal(Signal::KILL));
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Without waiting: whoever has data to write was stopped or ended before.
        drop(self.signal(Signal::KILL));
    }
}

fn parent(
    mut command: Command,
    live: &Mutex<Option<Pid>>,
    started: oneshot::Sender<io::Result<u32>>,
    exit: &watch::Sender<Option<ExitStatus>>,
) {
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return drop(started.send(Err(error))),
    };
    let pid = Pid::from_child(&child);
    *live.lock().unwrap_or_else(PoisonError::into_inner) = Some(pid);
    if started.send(Ok(child.id())).is_err() {
        // Nobody waits for this server any more.
        kill_process(pid, Signal::KILL).ok();
    }
    let status = reap(&mut child, pid, live);
    exit.send_replace(Some(status));
}

/// Waits without reaping first, so that no signal can go to a number already given away.
fn reap(child: &mut Child, pid: Pid, live: &Mutex<Option<Pid>>) -> ExitStatus {
    let ended = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    while let Err(rustix::io::Errno::INTR) = waitid(WaitId::Pid(pid), ended) {}
    let mut live = live.lock().unwrap_or_else(PoisonError::into_inner);
    *live = None;
    child.wait().unwrap_or_default()
}
