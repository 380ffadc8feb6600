//! All services in this process, each restarted alone when it stops.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::Router;
use chassis::{Context, Mounts, SettingsError};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tracing::{error, info};

use crate::up::backoff::Backoff;
use crate::up::service::Service;
use crate::up::settings::Settings;

/// The running services, for the origin and the probes.
#[derive(Clone, Default)]
pub(crate) struct Running {
    mounts: Mounts,
    contexts: Arc<RwLock<HashMap<&'static str, Context>>>,
}

impl Running {
    /// The routes that the service serves now.
    pub(crate) fn router(&self, service: Service) -> Option<Router> {
        self.mounts.router(service.name())
    }

    /// The service's present life.
    pub(crate) fn context(&self, service: Service) -> Option<Context> {
        let contexts = self.contexts.read().unwrap_or_else(PoisonError::into_inner);
        contexts.get(service.name()).cloned()
    }

    pub(crate) fn are_ready(&self) -> bool {
        let is_ready = |service| self.context(service).is_some_and(|context| context.is_ready());
        Service::ALL.into_iter().all(is_ready)
    }

    fn begin(&self, process: &Context, service: Service) -> Context {
        let context = process.beside(service.name(), self.mounts.clone());
        let mut contexts = self.contexts.write().unwrap_or_else(PoisonError::into_inner);
        contexts.insert(service.name(), context.clone());
        context
    }
}

/// Starts every service; the tasks end after the process's shutdown, or with an error
/// when a service's settings are wrong, which no restart mends.
pub(crate) fn start(
    process: &Context,
    settings: &Settings,
    running: &Running,
) -> JoinSet<anyhow::Result<()>> {
    let mut tasks = JoinSet::new();
    for service in Service::ALL {
        tasks.spawn(keep_running(service, process.clone(), settings.clone(), running.clone()));
    }
    tasks
}

async fn keep_running(
    service: Service,
    process: Context,
    settings: Settings,
    running: Running,
) -> anyhow::Result<()> {
    let mut backoff = Backoff::default();
    loop {
        let began = Instant::now();
        let context = running.begin(&process, service);
        let life = {
            let (settings, context) = (settings.clone(), context.clone());
            // A task of its own: a panic ends this service, not the others.
            tokio::spawn(async move { service.run(&settings, context).await })
        };
        let ended = life.await.unwrap_or_else(|panic| Err(panic.into()));
        context.set_ready(false);
        context.shutdown.cancel();
        if process.shutdown.is_cancelled() {
            return ended;
        }
        if let Err(failure) = &ended
            && failure.chain().any(|cause| cause.is::<SettingsError>())
        {
            return ended;
        }
        let wait = backoff.after(began.elapsed());
        report(service, &ended, wait);
        tokio::select! {
            () = sleep(wait) => {}
            () = process.shutdown.cancelled() => return Ok(()),
        }
    }
}

fn report(service: Service, ended: &anyhow::Result<()>, wait: Duration) {
    let service = service.name();
    let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
    match ended {
        Ok(()) => info!(service.name = service, restart.wait_ms = wait_ms, "service ended"),
        Err(failure) => error!(
            service.name = service,
            restart.wait_ms = wait_ms,
            error.cause_chain = format!("{failure:#}"),
            "service failed"
        ),
    }
}
