//! One attempt over HTTP. It stands where async-openai would retry by itself, and hands
//! it nothing but sound JSON: that library logs bodies that it cannot read.

use std::task::{Context, Poll};

use async_openai::error::OpenAIError;
use async_openai::middleware::HttpRequestFactory;
use channels::http::{self, BodyError};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use reqwest::{Client, Response};
use serde::de::IgnoredAny;
use tower::Service;

use super::failed::Failed;
use crate::model::ModelFault;

/// 2,048 embeddings of 3,072 numbers as text are about this long.
const LONGEST_BODY_BYTES: usize = 96 * 1024 * 1024;

/// Enough for every error that says something.
const LONGEST_ERROR_BYTES: usize = 64 * 1024;

#[derive(Debug, Clone)]
pub(super) struct Transport {
    client: Client,
}

impl Transport {
    pub(super) fn new(client: Client) -> Self {
        Self { client }
    }
}

/// How a failed attempt travels through async-openai.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(super) struct Attempt(Failed);

impl From<Attempt> for OpenAIError {
    fn from(attempt: Attempt) -> Self {
        OpenAIError::Boxed(Box::new(attempt.0))
    }
}

impl Service<HttpRequestFactory> for Transport {
    type Response = Response;
    type Error = Attempt;
    type Future = BoxFuture<'static, Result<Response, Attempt>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Attempt>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: HttpRequestFactory) -> Self::Future {
        attempt(self.client.clone(), request).map(|result| result.map_err(Attempt)).boxed()
    }
}

async fn attempt(client: Client, request: HttpRequestFactory) -> Result<Response, Failed> {
    let request = request.build().await;
    let request = request.map_err(|_| Failed::new(ModelFault::Invalid, "no request"))?;
    let sent = client.execute(request).await;
    let response = sent.map_err(|error| Failed::of_transport(&error))?;
    let (status, headers) = (response.status(), response.headers().clone());
    if !status.is_success() {
        // Whatever became of the body, the status stands.
        let body = http::body(response, LONGEST_ERROR_BYTES).await.unwrap_or_default();
        return Err(Failed::of_answer(status, &headers, &body));
    }
    let body = http::body(response, LONGEST_BODY_BYTES).await.map_err(|error| match error {
        BodyError::TooLong => Failed::malformed("the answer is too long"),
        BodyError::BrokenOff => Failed::new(ModelFault::Unavailable, "the answer broke off"),
    })?;
    if serde_json::from_slice::<IgnoredAny>(&body).is_err() {
        return Err(Failed::malformed("the answer is no JSON"));
    }
    Ok(::http::Response::new(body).into())
}
