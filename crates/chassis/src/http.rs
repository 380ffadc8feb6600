//! Serving HTTP: listeners, the layers every public router has, and the probes.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::trace::TraceLayer;

use crate::context::Context;
use crate::problem::Problem;

/// How long open connections may finish after shutdown.
const CONNECTION_DRAIN: Duration = Duration::from_secs(10);

/// Binds the address, or says which one could not be had.
pub async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))
}

/// Serves until shutdown, then lets open requests finish for a bounded time.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let stopping = shutdown.clone();
    let server = axum::serve(listener, service)
        .with_graceful_shutdown(async move { stopping.cancelled().await });
    let deadline = async {
        shutdown.cancelled().await;
        tokio::time::sleep(CONNECTION_DRAIN).await;
    };
    tokio::select! {
        result = server => result.context("the http server failed"),
        () = deadline => Ok(()),
    }
}

/// What every public router has: problem documents for unknown paths, wrong
/// methods and panics, and a span per request that never holds a query string.
pub fn public(router: Router) -> Router {
    router
        .fallback(async || Problem::not_found())
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .layer(CatchPanicLayer::custom(panicked))
        .layer(TraceLayer::new_for_http().make_span_with(request_span).on_failure(()))
}

fn panicked(_: Box<dyn std::any::Any + Send>) -> Response {
    Problem::internal(anyhow::anyhow!("a request handler panicked")).into_response()
}

fn request_span(request: &Request) -> tracing::Span {
    let route = request.extensions().get::<MatchedPath>().map_or("unmatched", MatchedPath::as_str);
    tracing::info_span!(
        "http request",
        otel.name = format!("{} {route}", request.method()),
        otel.kind = "server",
        http.request.method = %request.method(),
        http.route = route,
    )
}

/// `/livez`, `/readyz` and `/metrics` of one service.
pub fn probes(context: Context) -> Router {
    Router::new()
        .route("/livez", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(context)
}

async fn ready(State(context): State<Context>) -> Response {
    if context.is_ready() {
        "ready\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready\n").into_response()
    }
}

async fn metrics(State(context): State<Context>) -> Response {
    match context.metrics_text() {
        Ok(text) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
            .into_response(),
        Err(error) => Problem::internal(error).into_response(),
    }
}

/// Serves the probes in the background for as long as the process lives, also
/// while the service drains. Returns the bound address.
pub async fn serve_probes(address: SocketAddr, context: Context) -> anyhow::Result<SocketAddr> {
    let listener = listen(address).await?;
    let bound = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, probes(context)).await });
    Ok(bound)
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use tower::ServiceExt as _;

    use super::*;

    async fn status(router: &Router, method: &str, path: &str) -> (StatusCode, String) {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        let kind = response.headers().get(header::CONTENT_TYPE);
        (response.status(), kind.map(|v| v.to_str().unwrap().to_owned()).unwrap_or_default())
    }

    #[tokio::test]
    async fn readiness_follows_the_service_and_ends_with_shutdown() {
        let context = Context::new("test", prometheus::Registry::new());
        let router = probes(context.clone());

        assert_eq!(status(&router, "GET", "/livez").await.0, StatusCode::OK);
        assert_eq!(status(&router, "GET", "/readyz").await.0, StatusCode::SERVICE_UNAVAILABLE);
        context.set_ready(true);
        assert_eq!(status(&router, "GET", "/readyz").await.0, StatusCode::OK);
        context.shutdown.cancel();
        assert_eq!(status(&router, "GET", "/readyz").await.0, StatusCode::SERVICE_UNAVAILABLE);
    }

    #[tokio::test]
    async fn unknown_paths_wrong_methods_and_panics_are_problem_documents() {
        async fn explode() {
            panic!("boom");
        }
        let router = public(Router::new().route("/boom", get(explode)));

        let problem = "application/problem+json".to_owned();
        assert_eq!(
            status(&router, "GET", "/nowhere").await,
            (StatusCode::NOT_FOUND, problem.clone())
        );
        assert_eq!(
            status(&router, "PUT", "/boom").await,
            (StatusCode::METHOD_NOT_ALLOWED, problem.clone())
        );
        assert_eq!(
            status(&router, "GET", "/boom").await,
            (StatusCode::INTERNAL_SERVER_ERROR, problem)
        );
    }
}
