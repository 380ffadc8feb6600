//! Settings shared by services: clap groups, each value a flag and a variable.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use bus::{Bus, BusConfig, KafkaConfig, PostgresConfig};
use clap::{Args, ValueEnum};
use secrecy::{ExposeSecret as _, SecretString};
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::operator::OperatorTokens;
use crate::run::SettingsError;

mod gmail;
mod twilio;

pub use gmail::{GmailAccount, GmailSettings, PubsubSettings};
pub use twilio::{TwilioAccount, TwilioSettings};

/// What every process has.
#[derive(Debug, Clone, Args)]
pub struct ProcessSettings {
    /// Address of /livez, /readyz and /metrics
    #[arg(long, env = "FTE_PROBES_LISTEN", default_value = "127.0.0.1:9090")]
    pub probes_listen: SocketAddr,
    /// How long running work may finish after SIGTERM
    #[arg(long, env = "FTE_DRAIN", default_value = "20s", value_parser = humantime::parse_duration)]
    pub drain: Duration,
    /// json, text, or auto: text in a terminal
    #[arg(long, env = "FTE_LOG_FORMAT", default_value = "auto")]
    pub log_format: LogFormat,
    /// Where traces and metrics go by OTLP over HTTP; nowhere when absent
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT")]
    pub otlp_endpoint: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    Auto,
    Json,
    Text,
}

/// The PostgreSQL of this process.
#[derive(Debug, Clone, Args)]
pub struct DatabaseSettings {
    /// PostgreSQL as postgres://user:password@host:port/database
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: SecretString,
    /// Most connections this process opens
    #[arg(long, env = "FTE_DATABASE_CONNECTIONS", default_value_t = 8)]
    pub database_connections: u32,
}

/// Longest wait for a connection of the pool; the pool is never the place to queue.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

impl DatabaseSettings {
    /// A pool that connects when first used, so a process starts while the
    /// database is away. `application` shows in the server's activity and log.
    pub fn pool(&self, application: &str) -> Result<PgPool, SettingsError> {
        let options = PgConnectOptions::from_str(self.database_url.expose_secret())
            .map_err(|_| SettingsError("DATABASE_URL is not a valid postgres:// URL".to_owned()))?
            .application_name(application)
            .options([
                ("statement_timeout", "30s"),
                ("lock_timeout", "10s"),
                ("idle_in_transaction_session_timeout", "30s"),
                // Our statements are few and large: planning one costs more than running it.
                ("plan_cache_mode", "force_generic_plan"),
                ("jit", "off"),
                // What a ticket needs is in memory. Dearer look-ups would make a plan that
                // reads whole tables while they are small, and that plan stays.
                ("random_page_cost", "1.1"),
            ]);
        Ok(PgPoolOptions::new()
            .max_connections(self.database_connections)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            // A ping would double the round trips; a dead connection shows at its first
            // statement, and that is an outage like any other.
            .test_before_acquire(false)
            .connect_lazy_with(options))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BusKind {
    Kafka,
    Postgres,
}

/// The log.
#[derive(Debug, Clone, Args)]
pub struct BusSettings {
    /// Which log to use
    #[arg(long, env = "FTE_BUS", default_value = "kafka")]
    pub bus: BusKind,
    #[command(flatten)]
    pub kafka: KafkaSettings,
}

/// How to reach the brokers.
#[derive(Debug, Clone, Default, Args)]
pub struct KafkaSettings {
    /// Kafka brokers as host:port, comma-separated
    #[arg(long, env = "KAFKA_BOOTSTRAP_SERVERS")]
    pub kafka_bootstrap_servers: Option<String>,
    /// PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL
    #[arg(long, env = "KAFKA_SECURITY_PROTOCOL")]
    pub kafka_security_protocol: Option<String>,
    /// SCRAM-SHA-256, SCRAM-SHA-512 or PLAIN
    #[arg(long, env = "KAFKA_SASL_MECHANISM")]
    pub kafka_sasl_mechanism: Option<String>,
    /// User name for SASL
    #[arg(long, env = "KAFKA_SASL_USERNAME")]
    pub kafka_sasl_username: Option<String>,
    /// Password for SASL
    #[arg(long, env = "KAFKA_SASL_PASSWORD", hide_env_values = true)]
    pub kafka_sasl_password: Option<SecretString>,
    /// PEM file of the certificate authority of the brokers
    #[arg(long, env = "KAFKA_CA_FILE")]
    pub kafka_ca_file: Option<PathBuf>,
}

impl BusSettings {
    /// The log's configuration; a half-set group is refused by name.
    pub fn config(&self) -> Result<BusConfig, SettingsError> {
        match self.bus {
            BusKind::Postgres => Ok(BusConfig::Postgres(PostgresConfig::default())),
            BusKind::Kafka => self.kafka.config().map(BusConfig::Kafka),
        }
    }

    pub async fn connect(&self, pool: &PgPool) -> anyhow::Result<Bus> {
        Ok(Bus::connect(self.config()?, pool.clone()).await?)
    }
}

impl KafkaSettings {
    fn config(&self) -> Result<KafkaConfig, SettingsError> {
        let missing = |name: &str| SettingsError(format!("{name} is required with FTE_BUS=kafka"));
        let servers = self.kafka_bootstrap_servers.clone();
        let protocol = self.kafka_security_protocol.as_deref().unwrap_or("PLAINTEXT");
        if !["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"].contains(&protocol) {
            return Err(SettingsError(
                "KAFKA_SECURITY_PROTOCOL must be PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL"
                    .to_owned(),
            ));
        }
        if protocol.starts_with("SASL") {
            let half_set = |name: &str| {
                SettingsError(format!("{name} is required with KAFKA_SECURITY_PROTOCOL={protocol}"))
            };
            self.kafka_sasl_username.as_ref().ok_or_else(|| half_set("KAFKA_SASL_USERNAME"))?;
            self.kafka_sasl_password.as_ref().ok_or_else(|| half_set("KAFKA_SASL_PASSWORD"))?;
            self.kafka_sasl_mechanism.as_ref().ok_or_else(|| half_set("KAFKA_SASL_MECHANISM"))?;
        }
        Ok(KafkaConfig {
            bootstrap_servers: servers.ok_or_else(|| missing("KAFKA_BOOTSTRAP_SERVERS"))?,
            security_protocol: self.kafka_security_protocol.clone(),
            sasl_mechanism: self.kafka_sasl_mechanism.clone(),
            sasl_username: self.kafka_sasl_username.clone(),
            sasl_password: self.kafka_sasl_password.as_ref().map(|p| p.expose_secret().to_owned()),
            ca_file: self.kafka_ca_file.clone(),
            prefix: String::new(),
        })
    }
}

/// Where a service with routes listens.
#[derive(Debug, Clone, Args)]
pub struct HttpSettings {
    /// Address of the service's routes
    #[arg(long, env = "FTE_LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self { listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080) }
    }
}

/// Shortest FTE_SECRET accepted, in bytes.
const SHORTEST_SECRET: usize = 32;

/// The key behind status tokens.
#[derive(Debug, Clone, Args)]
pub struct SecretSettings {
    /// Key for status tokens, at least 32 characters
    #[arg(long, env = "FTE_SECRET", hide_env_values = true)]
    pub secret: SecretString,
    /// The key before the last rotation; its tokens stay valid
    #[arg(long, env = "FTE_SECRET_PREVIOUS", hide_env_values = true)]
    pub secret_previous: Option<SecretString>,
}

impl SecretSettings {
    /// The current key and, during a rotation, the one before.
    pub fn keys(&self) -> Result<(SecretString, Option<SecretString>), SettingsError> {
        let keys = std::iter::once(&self.secret).chain(&self.secret_previous);
        for key in keys {
            if key.expose_secret().len() < SHORTEST_SECRET {
                return Err(SettingsError(format!(
                    "FTE_SECRET and FTE_SECRET_PREVIOUS need at least {SHORTEST_SECRET} characters"
                )));
            }
        }
        Ok((self.secret.clone(), self.secret_previous.clone()))
    }
}

/// Who may use operator routes.
#[derive(Debug, Clone, Args)]
pub struct OperatorSettings {
    /// Operators as name:token, comma-separated; nobody when absent
    #[arg(long, env = "OPERATOR_TOKENS", hide_env_values = true)]
    pub operator_tokens: Option<SecretString>,
}

impl OperatorSettings {
    pub fn tokens(&self) -> Result<OperatorTokens, SettingsError> {
        let Some(text) = &self.operator_tokens else { return Ok(OperatorTokens::default()) };
        text.expose_secret()
            .parse()
            .map_err(|error| SettingsError(format!("OPERATOR_TOKENS: {error}")))
    }
}

/// Where customers reach us.
#[derive(Debug, Clone, Args)]
pub struct PublicUrlSettings {
    /// Public origin; a comma-separated list during a migration, the first is shown
    #[arg(
        long,
        env = "PUBLIC_BASE_URL",
        default_value = "http://127.0.0.1:8080",
        value_delimiter = ','
    )]
    pub public_base_url: Vec<String>,
}

impl PublicUrlSettings {
    /// The origin shown in links, without a trailing slash.
    pub fn first(&self) -> &str {
        self.public_base_url.first().map_or("", |url| url.trim_end_matches('/'))
    }
}

/// Whom a service that calls providers may call.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct OutboundSettings {
    /// Speak to providers on this machine without TLS
    #[arg(
        long,
        env = "FTE_ALLOW_LOOPBACK",
        value_parser = clap::builder::BoolishValueParser::new(),
        default_value_t = false,
        num_args = 0..=1,
        default_missing_value = "true",
        require_equals = true
    )]
    pub allow_loopback: bool,
}

/// The URL without its trailing slashes, if paths can be put behind it.
fn base_url(text: &str) -> Option<String> {
    let text = text.trim().trim_end_matches('/');
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))?;
    let is_base = !host.is_empty() && !host.contains(['?', '#', ' ']);
    is_base.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bus(bus: BusKind) -> BusSettings {
        let servers = Some("127.0.0.1:9092".to_owned());
        let kafka = KafkaSettings { kafka_bootstrap_servers: servers, ..Default::default() };
        BusSettings { bus, kafka }
    }

    #[test]
    fn a_half_set_group_is_refused_by_name() {
        let mut settings = bus(BusKind::Kafka);
        settings.kafka.kafka_security_protocol = Some("SASL_SSL".to_owned());

        assert!(settings.config().unwrap_err().to_string().contains("KAFKA_SASL_USERNAME"));
        let without = BusSettings { bus: BusKind::Kafka, kafka: KafkaSettings::default() };
        assert!(without.config().unwrap_err().to_string().contains("KAFKA_BOOTSTRAP_SERVERS"));
        assert!(bus(BusKind::Postgres).config().is_ok());
    }

    #[test]
    fn a_short_secret_is_refused() {
        let settings = SecretSettings { secret: "short".into(), secret_previous: None };

        assert!(settings.keys().is_err());
    }

    #[test]
    fn a_wrong_database_url_is_refused_without_quoting_it() {
        let settings = DatabaseSettings { database_url: "hunter2".into(), database_connections: 1 };

        let text = settings.pool("x").unwrap_err().to_string();
        assert!(text.contains("DATABASE_URL") && !text.contains("hunter2"));
    }
}
