//! The settings of the model server: a group that is complete or refused by name.

use std::num::NonZeroU32;
use std::time::Duration;

use chassis::SettingsError;
use chassis::settings::OutboundSettings;
use clap::{Args, ValueEnum};
use secrecy::{ExposeSecret as _, SecretString};

use super::Settings;

/// What a server reads of OpenAI's contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Dialect {
    /// OpenAI's own, and gateways to it
    Openai,
    /// Local servers: `max_tokens`, nothing that is OpenAI's alone
    Compatible,
}

/// The model server.
#[derive(Debug, Clone, Args)]
pub struct RemoteSettings {
    /// Key of the model server; any text where it asks for none
    #[arg(long, env = "OPENAI_API_KEY", hide_env_values = true)]
    pub openai_api_key: Option<SecretString>,
    /// Where the model server is, up to and with the version
    #[arg(long, env = "OPENAI_BASE_URL", default_value = "https://api.openai.com/v1")]
    pub openai_base_url: String,
    /// Model that drafts answers
    #[arg(long, env = "OPENAI_MODEL", default_value = "gpt-4o")]
    pub openai_model: String,
    /// openai or compatible (max_tokens, as local servers read it); by the base URL when absent
    #[arg(long, env = "OPENAI_DIALECT")]
    pub openai_dialect: Option<Dialect>,
    /// Model for embeddings at the same server; a local one when absent
    #[arg(long, env = "EMBEDDING_MODEL")]
    pub embedding_model: Option<String>,
    /// How long one answer of the model may take, with its retries
    #[arg(long, env = "FTE_MODEL_TIMEOUT", default_value = "50s", value_parser = humantime::parse_duration)]
    pub model_timeout: Duration,
    /// Most requests to the model server at once
    #[arg(long, env = "FTE_MODEL_IN_FLIGHT", default_value_t = 512)]
    pub model_in_flight: usize,
    /// Most requests to the model server a minute; its own limits only when absent
    #[arg(long, env = "FTE_MODEL_REQUESTS_PER_MINUTE")]
    pub model_requests_per_minute: Option<NonZeroU32>,
}

impl RemoteSettings {
    /// The server for chats, of which everything must be there.
    pub fn chat(&self, outbound: OutboundSettings) -> Result<Settings, SettingsError> {
        self.server(&self.openai_model, "FTE_MODEL_PROVIDER=openai", outbound)
    }

    /// The server for embeddings; `None` where they come from this machine.
    pub fn embeddings(
        &self,
        outbound: OutboundSettings,
    ) -> Result<Option<Settings>, SettingsError> {
        let Some(model) = &self.embedding_model else { return Ok(None) };
        self.server(model, "EMBEDDING_MODEL", outbound).map(Some)
    }

    fn server(
        &self,
        model: &str,
        needed_for: &str,
        outbound: OutboundSettings,
    ) -> Result<Settings, SettingsError> {
        let key = self.openai_api_key.as_ref();
        let key = key.filter(|key| !key.expose_secret().trim().is_empty());
        let api_key = key.cloned().ok_or_else(|| {
            SettingsError(format!("OPENAI_API_KEY is required with {needed_for}"))
        })?;
        if model.trim().is_empty() {
            return Err(SettingsError("OPENAI_MODEL and EMBEDDING_MODEL must name one".to_owned()));
        }
        let base_url = self.openai_base_url.trim().trim_end_matches('/').to_owned();
        Ok(Settings {
            api_key,
            dialect: self.openai_dialect.unwrap_or_else(|| dialect_of(&base_url)),
            base_url,
            model: model.to_owned(),
            allows_loopback: outbound.allow_loopback,
            limit: self.model_timeout,
            in_flight: self.model_in_flight,
            per_minute: self.model_requests_per_minute,
        })
    }
}

fn dialect_of(base_url: &str) -> Dialect {
    let host = base_url.split("://").nth(1).unwrap_or_default();
    let host = host.split(['/', ':']).next().unwrap_or_default().to_lowercase();
    let is_openai = ["openai.com", "openai.azure.com"]
        .iter()
        .any(|name| host == *name || host.ends_with(&format!(".{name}")));
    if is_openai { Dialect::Openai } else { Dialect::Compatible }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Only {
        #[command(flatten)]
        remote: RemoteSettings,
    }

    fn parse(arguments: &[&str]) -> RemoteSettings {
        Only::parse_from([&["x"], arguments].concat()).remote
    }

    #[test]
    fn a_server_without_a_key_is_refused_by_name() {
        let outbound = OutboundSettings::default();
        for key in [&[][..], &["--openai-api-key= "]] {
            let error = parse(key).chat(outbound).unwrap_err().to_string();
            assert!(error.contains("OPENAI_API_KEY"), "{error}");
        }
        let error = parse(&["--embedding-model=e"]).embeddings(outbound).unwrap_err().to_string();
        assert!(error.contains("EMBEDDING_MODEL"), "{error}");
        assert!(parse(&[]).embeddings(outbound).unwrap().is_none());
    }

    #[test]
    fn the_key_shows_nowhere() {
        let settings = parse(&["--openai-api-key=hunter2"]);

        let server = settings.chat(OutboundSettings::default()).unwrap();

        assert!(!format!("{settings:?} {server:?}").contains("hunter2"));
        assert_eq!(server.model, "gpt-4o");
    }

    #[test]
    fn the_base_url_says_what_the_server_reads() {
        let cases = [
            ("https://api.openai.com/v1/", Dialect::Openai),
            ("https://eu.api.openai.com/v1", Dialect::Openai),
            ("https://name.openai.azure.com/openai/v1", Dialect::Openai),
            ("https://openai.com.example.org/v1", Dialect::Compatible),
            ("http://127.0.0.1:8080/v1", Dialect::Compatible),
        ];

        for (url, dialect) in cases {
            assert_eq!(dialect_of(url), dialect, "{url}");
        }
        let given = parse(&["--openai-api-key=k", "--openai-dialect=compatible"]);
        let server = given.chat(OutboundSettings::default()).unwrap();
        assert_eq!(server.dialect, Dialect::Compatible);
    }
}
