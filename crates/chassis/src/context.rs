//! What a running service holds of its process: its name, its shutdown, its
//! readiness and the place where its routes are served.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use axum::Router;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::http;
use crate::settings::HttpSettings;

/// The routers of services that share one origin.
#[derive(Clone, Default)]
pub struct Mounts(Arc<RwLock<HashMap<&'static str, Router>>>);

impl Mounts {
    /// The router that the named service serves now; `None` while it is away.
    pub fn router(&self, name: &str) -> Option<Router> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    fn set(&self, name: &'static str, router: Option<Router>) {
        let mut mounts = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match router {
            Some(router) => mounts.insert(name, router),
            None => mounts.remove(name),
        };
    }
}

/// A running service's hold on its process.
#[derive(Clone)]
pub struct Context {
    name: &'static str,
    /// Cancelled by SIGTERM, Ctrl-C, or whoever stops this service.
    pub shutdown: CancellationToken,
    ready: Arc<AtomicBool>,
    registry: prometheus::Registry,
    mounts: Option<Mounts>,
}

impl Context {
    /// The context of a process that runs one service.
    pub fn new(name: &'static str, registry: prometheus::Registry) -> Self {
        Self {
            name,
            shutdown: CancellationToken::new(),
            ready: Arc::new(AtomicBool::new(false)),
            registry,
            mounts: None,
        }
    }

    /// The context of a service beside others in this process: its routes go to
    /// `mounts`, and stopping it stops nothing else.
    pub fn beside(&self, name: &'static str, mounts: Mounts) -> Self {
        Self {
            name,
            shutdown: self.shutdown.child_token(),
            ready: Arc::new(AtomicBool::new(false)),
            registry: self.registry.clone(),
            mounts: Some(mounts),
        }
    }

    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Says whether new work is welcome; `/readyz` answers by it.
    pub fn set_ready(&self, ready: bool) {
        self.ready.store(ready, Ordering::Relaxed);
    }

    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed) && !self.shutdown.is_cancelled()
    }

    /// The text of `/metrics`.
    pub fn metrics_text(&self) -> anyhow::Result<String> {
        Ok(prometheus::TextEncoder::new().encode_to_string(&self.registry.gather())?)
    }

    /// Serves these routes until shutdown and drains: on the service's own
    /// listener, or on the shared origin. Ready from here on.
    pub async fn serve(&self, settings: &HttpSettings, router: Router) -> anyhow::Result<()> {
        let Some(mounts) = &self.mounts else {
            let listener = http::listen(settings.listen).await?;
            self.set_ready(true);
            return http::serve(listener, router, self.shutdown.clone()).await;
        };
        mounts.set(self.name, Some(router));
        self.set_ready(true);
        self.shutdown.cancelled().await;
        mounts.set(self.name, None);
        Ok(())
    }

    /// Waits for the service's tasks. One that ends or panics before shutdown
    /// ends the service; after shutdown all of them are awaited.
    pub async fn supervise(&self, mut tasks: JoinSet<anyhow::Result<()>>) -> anyhow::Result<()> {
        let mut first_error = None;
        while let Some(joined) = tasks.join_next().await {
            let asked = self.shutdown.is_cancelled();
            let error = match joined {
                Ok(Ok(())) if asked => continue,
                Ok(Ok(())) => anyhow::anyhow!("a task of {} ended by itself", self.name),
                Ok(Err(error)) => error,
                Err(panic) => anyhow::Error::new(panic),
            };
            if first_error.is_some() {
                warn!(
                    service.name = self.name,
                    error.cause_chain = format!("{error:#}"),
                    "task failed"
                );
            }
            first_error.get_or_insert(error);
            self.set_ready(false);
            self.shutdown.cancel();
        }
        first_error.map_or(Ok(()), Err)
    }

    /// The first SIGTERM or Ctrl-C cancels; a second Ctrl-C ends the process at once.
    pub fn cancel_on_signal(&self) {
        let context = self.clone();
        tokio::spawn(async move {
            signal().await;
            info!(service.name = context.name, "stopping");
            context.set_ready(false);
            context.shutdown.cancel();
            if tokio::signal::ctrl_c().await.is_ok() {
                std::process::exit(130);
            }
        });
    }
}

async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let terminate = async {
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminate => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context() -> Context {
        Context::new("test", prometheus::Registry::new())
    }

    #[tokio::test]
    async fn a_task_that_ends_by_itself_stops_the_others_and_fails_the_service() {
        let context = context();
        let mut tasks = JoinSet::new();
        let shutdown = context.shutdown.clone();
        tasks.spawn(async move {
            shutdown.cancelled().await;
            Ok(())
        });
        tasks.spawn(async { Ok(()) });

        let result = context.supervise(tasks).await;

        assert!(result.unwrap_err().to_string().contains("ended by itself"));
    }

    #[tokio::test]
    async fn tasks_that_end_after_shutdown_are_a_clean_stop() {
        let context = context();
        let mut tasks = JoinSet::new();
        let shutdown = context.shutdown.clone();
        tasks.spawn(async move {
            shutdown.cancelled().await;
            Ok(())
        });
        context.shutdown.cancel();

        assert!(context.supervise(tasks).await.is_ok());
    }

    #[tokio::test]
    async fn a_mounted_service_leaves_the_origin_when_it_stops() {
        let mounts = Mounts::default();
        let context = context().beside("part", mounts.clone());
        let settings = HttpSettings::default();
        let serving = tokio::spawn({
            let context = context.clone();
            async move { context.serve(&settings, Router::new()).await }
        });
        while mounts.router("part").is_none() {
            tokio::task::yield_now().await;
        }
        assert!(context.is_ready());

        context.shutdown.cancel();
        serving.await.unwrap().unwrap();

        assert!(mounts.router("part").is_none());
        assert!(!context.is_ready());
    }
}
