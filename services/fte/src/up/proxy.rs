//! A small reverse proxy for `fte up --processes`: one request in, one request out.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use chassis::problem::Problem;
use tokio::time::timeout;

/// Well above what any service takes: each has its own, lower limit and says so.
const MOST_BODY_BYTES: usize = 1 << 20;
/// A body that takes longer than this to arrive is not worth waiting for.
const BODY_LIMIT: Duration = Duration::from_secs(30);
/// Above the services' own time-outs, so that their answer wins.
const ANSWER_LIMIT: Duration = Duration::from_secs(40);
const CONNECT_LIMIT: Duration = Duration::from_secs(2);
const RETRY_AFTER: u64 = 1;

/// Headers that belong to one connection (RFC 9110 §7.6.1), and the length of the body.
const NOT_FORWARDED: [HeaderName; 8] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Forwards requests; clones share the connections.
#[derive(Debug, Clone)]
pub(crate) struct Proxy {
    client: reqwest::Client,
    /// Whether another proxy stands before us, whose word on the client's address the
    /// services judge; else whatever a client wrote there is dropped.
    is_behind_proxy: bool,
}

impl Proxy {
    pub(crate) fn new(is_behind_proxy: bool) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_LIMIT)
            .timeout(ANSWER_LIMIT)
            .build()
            .context("cannot make the client of the proxy")?;
        Ok(Self { client, is_behind_proxy })
    }

    /// The service's answer. 503 when there was none: the request may or may not have
    /// been worked on, which is what 503 means here.
    pub(crate) async fn forward(
        &self,
        request: Request,
        to: SocketAddr,
        client: Option<SocketAddr>,
    ) -> Response {
        let (parts, body) = request.into_parts();
        // The whole body first: a service that refuses a long one early would close the
        // connection under our writing, and its answer would be lost.
        let body = match timeout(BODY_LIMIT, to_bytes(body, MOST_BODY_BYTES)).await {
            Ok(Ok(body)) => body,
            Ok(Err(_)) => return Problem::payload_too_large().into_response(),
            Err(_) => return Problem::request_timeout().into_response(),
        };
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let mut headers = end_to_end(&parts.headers);
        if !self.is_behind_proxy {
            headers.remove(FORWARDED_FOR);
        }
        if let Some(client) = client.and_then(|client| client.ip().to_string().parse().ok()) {
            headers.append(FORWARDED_FOR, client);
        }
        let request = self
            .client
            .request(parts.method, format!("http://{to}{path}"))
            .headers(headers)
            .body(body);
        match request.send().await {
            Ok(answer) => respond(answer),
            Err(_) => Problem::unavailable(RETRY_AFTER).into_response(),
        }
    }

    pub(crate) async fn is_ok(&self, address: SocketAddr, path: &str) -> bool {
        let answer = self.client.get(format!("http://{address}{path}")).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }
}

fn respond(answer: reqwest::Response) -> Response {
    let (status, headers) = (answer.status(), end_to_end(answer.headers()));
    let mut response = Response::new(Body::from_stream(answer.bytes_stream()));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

fn end_to_end(headers: &HeaderMap) -> HeaderMap {
    let named: Vec<String> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value: &HeaderValue| value.to_str().ok())
        .flat_map(|names| names.split(',').map(|name| name.trim().to_ascii_lowercase()))
        .collect();
    let is_forwarded = |name: &HeaderName| {
        !NOT_FORWARDED.contains(name)
            && name != "keep-alive"
            && !named.iter().any(|other| other == name.as_str())
    };
    let pairs = headers.iter().filter(|(name, _)| is_forwarded(name));
    pairs.map(|(name, value)| (name.clone(), value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_one_connection_are_not_passed_on() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "keep-alive, X-Private"),
            ("x-private", "1"),
            ("transfer-encoding", "chunked"),
            ("idempotency-key", "abc"),
        ] {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }

        let passed = end_to_end(&headers);

        assert_eq!(passed.keys().collect::<Vec<_>>(), ["idempotency-key"]);
    }
}
