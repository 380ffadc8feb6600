//! What `fte up` tells its services, and the other commands: where everything is, and
//! the secrets that were given or made up.

use agent::{Embedder, EmbeddingSettings};
use chassis::settings::{BusKind, KafkaSettings, ProcessSettings};
use clap::ValueEnum;
use secrecy::ExposeSecret as _;
use servers::Runtime;

use crate::commands::up::Arguments;
use crate::up::data::DataFolder;
use crate::up::database::Database;
use crate::up::log::Log;
use crate::up::settings::{Settings, is_any_set};
use crate::up::{gmail, model, twilio};

const SECRET: &str = "secret";
const EMBEDDING_FOLDER: &str = "FTE_EMBEDDING_FOLDER";
const OPERATOR: &str = "operator";
pub(crate) const OPERATOR_TOKEN: &str = "operator-token";

/// What the services are told, and the operator token if it was made up here.
pub(crate) fn settings(
    arguments: &Arguments,
    folder: &DataFolder,
    database: &Database,
    log: &Log,
    url: &str,
) -> anyhow::Result<(Settings, Option<String>)> {
    let mut settings = Settings::default();
    settings.set("DATABASE_URL", database.url.expose_secret());
    let bus = &log.settings;
    settings.set("FTE_BUS", if bus.bus == BusKind::Kafka { "kafka" } else { "postgres" });
    set_kafka(&mut settings, &bus.kafka);
    set_process(&mut settings, &arguments.process);
    match &arguments.secret {
        Some(secret) => settings.set("FTE_SECRET", secret.expose_secret()),
        None => settings.set("FTE_SECRET", folder.secret(SECRET)?),
    }
    set_embedding_folder(&mut settings);
    settings.set("PUBLIC_BASE_URL", arguments.public_base_url.as_deref().unwrap_or(url));
    if let Some(tokens) = &arguments.operator_tokens {
        settings.set("OPERATOR_TOKENS", tokens.expose_secret());
        return Ok((settings, None));
    }
    let token = folder.secret(OPERATOR_TOKEN)?;
    settings.set("OPERATOR_TOKENS", format!("{OPERATOR}:{token}"));
    Ok((settings, Some(token)))
}

/// The local embedding model lies beside the servers' programs.
fn set_embedding_folder(settings: &mut Settings) {
    if !is_any_set(&[EMBEDDING_FOLDER]) {
        settings.set(EMBEDDING_FOLDER, Runtime::locate().minilm().to_string_lossy());
    }
}

/// The embedder that the services will have.
pub(crate) fn embedder() -> anyhow::Result<Embedder> {
    embedder_by(Settings::default())
}

/// The embedder by these settings, and the environment.
pub(crate) fn embedder_by(mut settings: Settings) -> anyhow::Result<Embedder> {
    set_embedding_folder(&mut settings);
    let embedder: EmbeddingSettings = settings.configure("knowledge")?;
    Ok(embedder.open()?)
}

/// By flag or variable, here it is all the same.
fn set_kafka(settings: &mut Settings, kafka: &KafkaSettings) {
    let password = kafka.kafka_sasl_password.as_ref();
    let ca_file = kafka.kafka_ca_file.as_ref().and_then(|file| file.to_str());
    let values = [
        ("KAFKA_BOOTSTRAP_SERVERS", kafka.kafka_bootstrap_servers.as_deref()),
        ("KAFKA_SECURITY_PROTOCOL", kafka.kafka_security_protocol.as_deref()),
        ("KAFKA_SASL_MECHANISM", kafka.kafka_sasl_mechanism.as_deref()),
        ("KAFKA_SASL_USERNAME", kafka.kafka_sasl_username.as_deref()),
        ("KAFKA_SASL_PASSWORD", password.map(|password| password.expose_secret())),
        ("KAFKA_CA_FILE", ca_file),
    ];
    for (name, value) in values {
        if let Some(value) = value {
            settings.set(name, value);
        }
    }
}

/// For services in processes of their own; the probes' addresses are theirs.
fn set_process(settings: &mut Settings, process: &ProcessSettings) {
    settings.set("FTE_DRAIN", humantime::format_duration(process.drain).to_string());
    if let Some(format) = process.log_format.to_possible_value() {
        settings.set("FTE_LOG_FORMAT", format.get_name());
    }
    if let Some(endpoint) = &process.otlp_endpoint {
        settings.set("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint);
    }
}

/// For the commands that work on what runs here.
pub(crate) fn write_environment(
    folder: &DataFolder,
    settings: &Settings,
    url: &str,
    token: Option<&str>,
) -> anyhow::Result<()> {
    let emulators = [twilio::EMULATOR_URL, gmail::EMULATOR_URL];
    let shared = ["DATABASE_URL", "FTE_BUS", "KAFKA_BOOTSTRAP_SERVERS"];
    let shared = [&shared[..], &emulators, &model::SHARED].concat();
    let mut values: Vec<_> = settings.iter().filter(|(name, _)| shared.contains(name)).collect();
    values.push(("FTE_URL", url));
    values.extend(token.map(|token| ("FTE_OPERATOR_TOKEN", token)));
    folder.write_environment(&values)
}
