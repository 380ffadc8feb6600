//! The one public origin: each path goes to its service, and `/services/<name>/…` to
//! that service's probes.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::{ConnectInfo, Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use chassis::problem::Problem;
use tower::ServiceExt as _;

use crate::processes::Program;
use crate::up::in_process::Running;
use crate::up::proxy::Proxy;
use crate::up::service::Service;

/// How soon a client may ask a restarting service again, in seconds.
const RETRY_AFTER: u64 = 1;

/// Where the services are.
#[derive(Clone)]
pub(crate) enum Origin {
    InProcess(Running),
    Processes { processes: std::sync::Arc<[Program]>, proxy: Proxy },
}

impl Origin {
    pub(crate) fn router(self) -> Router {
        // No layers: the services have theirs, and a second span around each request
        // would only double the work.
        Router::new()
            .route("/services/{name}/{probe}", get(probe))
            .fallback(forward)
            .with_state(self)
    }

    fn process(&self, service: Service) -> Option<&Program> {
        match self {
            Origin::InProcess(_) => None,
            Origin::Processes { processes, .. } => {
                processes.iter().find(|process| process.service == service)
            }
        }
    }

    /// Whether every service says that it takes work.
    pub(crate) async fn is_ready(&self) -> bool {
        match self {
            Origin::InProcess(running) => running.are_ready(),
            Origin::Processes { processes, proxy } => {
                for process in processes.iter() {
                    if !proxy.is_ok(process.probes, "/readyz").await {
                        return false;
                    }
                }
                true
            }
        }
    }
}

async fn forward(State(origin): State<Origin>, request: Request) -> Response {
    let service = Service::of_path(request.uri().path());
    match (&origin, origin.process(service)) {
        (Origin::InProcess(running), _) => match running.router(service) {
            Some(router) => router.oneshot(request).await.into_response(),
            None => Problem::unavailable(RETRY_AFTER).into_response(),
        },
        (Origin::Processes { proxy, .. }, Some(process)) => {
            let client = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0);
            proxy.forward(request, process.address, client).await
        }
        (Origin::Processes { .. }, None) => Problem::not_found().into_response(),
    }
}

async fn probe(
    State(origin): State<Origin>,
    Path((name, probe)): Path<(String, String)>,
    mut request: Request,
) -> Response {
    let (Some(service), "livez" | "readyz" | "metrics") = (Service::named(&name), probe.as_str())
    else {
        return Problem::not_found().into_response();
    };
    let Ok(uri) = format!("/{probe}").parse() else {
        return Problem::not_found().into_response();
    };
    *request.uri_mut() = uri;
    match (&origin, origin.process(service)) {
        (Origin::InProcess(running), _) => match running.context(service) {
            Some(context) => chassis::http::probes(context).oneshot(request).await.into_response(),
            None => Problem::unavailable(RETRY_AFTER).into_response(),
        },
        (Origin::Processes { proxy, .. }, Some(process)) => {
            proxy.forward(request, process.probes, None).await
        }
        (Origin::Processes { .. }, None) => Problem::not_found().into_response(),
    }
}
