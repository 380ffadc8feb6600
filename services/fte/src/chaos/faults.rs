//! Makes go wrong what the schedule says.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use rustix::process::Signal;
use serde_json::{Value, json};
use store::verify_load;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use crate::chaos::schedule::{Fault, Planned, plays, scripted};
use crate::chaos::system::System;
use crate::processes::{children_of, signal};

/// How many conversations a slow transaction holds.
const LOCKED_ROWS: i64 = 20;

/// How long a service that was killed before may take to be there again.
const VICTIM_LIMIT: Duration = Duration::from_secs(20);

/// A fault that happened.
#[derive(Debug, Clone)]
pub(crate) struct Happened {
    pub(crate) at: DateTime<Utc>,
    /// When it was over.
    pub(crate) ended: DateTime<Utc>,
    pub(crate) fault: Fault,
    /// Why it could not be done.
    pub(crate) failed: Option<String>,
}

/// Lets everything happen in its time and waits for the end of it. What lasts goes on
/// beside what comes next.
pub(crate) async fn run(
    system: Arc<System>,
    start: Instant,
    planned: Vec<Planned>,
) -> Vec<Happened> {
    let mut lasting = JoinSet::new();
    for Planned { at, fault } in planned {
        let system = Arc::clone(&system);
        lasting.spawn(async move {
            sleep_until(start + at).await;
            let at = chassis::clock::now();
            let failed = cause(&system, &fault).await.err().map(|error| format!("{error:#}"));
            Happened { at, ended: chassis::clock::now(), fault, failed }
        });
    }
    let mut happened = lasting.join_all().await;
    happened.sort_by_key(|happened| happened.at);
    happened
}

async fn cause(system: &System, fault: &Fault) -> anyhow::Result<()> {
    match fault {
        Fault::Kill(service) => send(system, service, Signal::KILL).await,
        Fault::Terminate(service) => send(system, service, Signal::TERM).await,
        Fault::Freeze(service, while_) => freeze(victim(system, service).await?, *while_).await,
        Fault::Join(service, while_) => replica(system, service, *while_, Signal::TERM).await,
        Fault::JoinAndKill(service, while_) => {
            replica(system, service, *while_, Signal::KILL).await
        }
        Fault::CrashDatabase => system.backing.crash_database().await,
        Fault::FreezeDatabase(while_) => {
            let held = system.backing.postgres.lock().await;
            let Some(pid) = held.as_ref().map(servers::Postgres::pid) else { return Ok(()) };
            freeze(pid, *while_).await
        }
        Fault::CrashBroker => system.backing.crash_broker().await,
        Fault::FreezeBroker(while_) => {
            let held = system.backing.kafka.lock().await;
            let Some(kafka) = held.as_ref() else { return Ok(()) };
            kafka.pause()?;
            sleep(*while_).await;
            Ok(kafka.resume()?)
        }
        Fault::HoldLocks(while_) => {
            Ok(verify_load::hold_locks(&system.pool, LOCKED_ROWS, *while_).await?)
        }
        Fault::Twilio(names) => system.twilio.tell("/_test/faults", &scripted(names)).await,
        Fault::Gmail(names) => {
            system.gmail.tell("/_test/faults", &json!({ "drafts.send": scripted(names) })).await
        }
        Fault::Callbacks(name, while_) => {
            system.twilio.tell("/_test/callbacks", &callbacks(name)).await?;
            sleep(*while_).await;
            system.twilio.tell("/_test/callbacks", &json!({})).await
        }
        Fault::Pushes(names) => system.gmail.tell("/_test/push-faults", &scripted(names)).await,
        Fault::Model(names) => system.model.tell("/_test/plays", &plays(names)).await,
    }
}

fn callbacks(name: &str) -> Value {
    let mut callbacks = serde_json::Map::new();
    callbacks.insert(name.to_owned(), Value::Bool(true));
    Value::Object(callbacks)
}

/// The service's process, once it is there.
async fn victim(system: &System, service: &str) -> anyhow::Result<u32> {
    let deadline = Instant::now() + VICTIM_LIMIT;
    loop {
        if let Some(pid) = system.pid_of(service) {
            return Ok(pid);
        }
        anyhow::ensure!(Instant::now() < deadline, "{service} does not run");
        sleep(Duration::from_millis(50)).await;
    }
}

async fn send(system: &System, service: &str, which: Signal) -> anyhow::Result<()> {
    signal(victim(system, service).await?, which)
}

/// Stops a process and all that it has started, and lets them go on.
async fn freeze(pid: u32, while_: Duration) -> anyhow::Result<()> {
    let family: Vec<u32> =
        std::iter::once(pid).chain(children_of(pid).into_iter().map(|(pid, _)| pid)).collect();
    for pid in &family {
        signal(*pid, Signal::STOP)?;
    }
    sleep(while_).await;
    for pid in &family {
        signal(*pid, Signal::CONT)?;
    }
    Ok(())
}

async fn replica(
    system: &System,
    service: &str,
    while_: Duration,
    end: Signal,
) -> anyhow::Result<()> {
    victim(system, service).await?;
    let Some(replica) = system.replica(service).await? else { return Ok(()) };
    sleep(while_).await;
    if end == Signal::KILL { replica.kill().await } else { replica.stop().await }
}
