//! The listener. Its own accept loop, because a web framework always answers and
//! providers sometimes do not: a response marked [`Dropped`] closes the connection.

use std::io::{Error, ErrorKind};
use std::net::SocketAddr;

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

/// Marks a response that is never written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dropped;

#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    shutdown: CancellationToken,
    /// Until it is stopped.
    accepting: Option<JoinHandle<()>>,
}

impl Server {
    /// The routes are told when it stops, so that a request that hangs ends.
    pub(crate) async fn start(
        listen: SocketAddr,
        routes: impl FnOnce(CancellationToken) -> Router,
    ) -> std::io::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        let shutdown = CancellationToken::new();
        let router = routes(shutdown.clone());
        let accepting = Some(tokio::spawn(accept(listener, router, shutdown.clone())));
        Ok(Self { address, shutdown, accepting })
    }

    /// From here on connections are refused.
    pub(crate) async fn stop(&mut self) {
        self.shutdown.cancel();
        if let Some(accepting) = self.accepting.take() {
            // A panic in the loop has closed the listener as well.
            accepting.await.unwrap_or_default();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

async fn accept(listener: TcpListener, router: Router, shutdown: CancellationToken) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.cancelled() => return,
        };
        if let Ok((stream, _)) = accepted {
            tokio::spawn(connection(stream, router.clone(), shutdown.clone()));
        }
    }
}

async fn connection(stream: TcpStream, router: Router, shutdown: CancellationToken) {
    let service = service_fn(|request| answer(router.clone(), request));
    let serving = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        // A client that went away, or a connection dropped on purpose.
        ended = serving => ended.unwrap_or_default(),
        () = shutdown.cancelled() => {}
    }
}

async fn answer(router: Router, request: hyper::Request<Incoming>) -> Result<Response, Error> {
    let request: Request = request.map(axum::body::Body::new);
    let response = match router.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    match response.extensions().get::<Dropped>() {
        Some(Dropped) => Err(Error::new(ErrorKind::ConnectionAborted, "dropped on purpose")),
        None => Ok(response),
    }
}
