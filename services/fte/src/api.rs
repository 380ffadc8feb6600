//! The operator's side of the HTTP contract, as commands use it.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use chassis::SettingsError;
use clap::Args;
use reqwest::{Method, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

/// Longest wait for one answer; a person is watching.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Which installation, and as whom.
#[derive(Debug, Args)]
pub(crate) struct ApiSettings {
    /// Origin of the installation
    #[arg(long, env = "FTE_URL", default_value = "http://127.0.0.1:8080")]
    url: String,
    /// An operator's token; else it is read from the token file
    #[arg(long, env = "FTE_OPERATOR_TOKEN", hide_env_values = true)]
    token: Option<SecretString>,
    /// File with the operator's token, as `fte up` writes it
    #[arg(long, env = "FTE_OPERATOR_TOKEN_FILE", default_value = "data/operator-token")]
    token_file: PathBuf,
}

/// An operator's connection.
pub(crate) struct Api {
    client: reqwest::Client,
    origin: String,
    token: SecretString,
}

impl ApiSettings {
    pub(crate) fn connect(&self) -> anyhow::Result<Api> {
        let token = match &self.token {
            Some(token) => token.clone(),
            None => self.token_from_file()?,
        };
        let client = reqwest::Client::builder().timeout(TIMEOUT).build()?;
        Ok(Api { client, origin: self.url.trim_end_matches('/').to_owned(), token })
    }

    fn token_from_file(&self) -> anyhow::Result<SecretString> {
        let text = std::fs::read_to_string(&self.token_file).map_err(|error| {
            SettingsError(format!(
                "no operator token: set FTE_OPERATOR_TOKEN, or run where `fte up` runs ({}: {error})",
                self.token_file.display()
            ))
        })?;
        Ok(text.trim().into())
    }
}

impl Api {
    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.send(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> anyhow::Result<Value> {
        self.send(Method::POST, path, Some(body)).await
    }

    async fn send(&self, method: Method, path: &str, body: Option<Value>) -> anyhow::Result<Value> {
        let mut request = self
            .client
            .request(method, format!("{}{path}", self.origin))
            .bearer_auth(self.token.expose_secret());
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response =
            request.send().await.with_context(|| format!("{} does not answer", self.origin))?;
        let status = response.status();
        let answer: Value = response.json().await.unwrap_or_default();
        if status.is_success() {
            return Ok(answer);
        }
        let detail = answer.get("detail").and_then(Value::as_str).unwrap_or("no detail");
        match status {
            StatusCode::UNAUTHORIZED => Err(SettingsError(format!("refused: {detail}")).into()),
            _ => anyhow::bail!("{status}: {detail}"),
        }
    }
}
