//! `fte doctor`: every setting and connection, one line each, and what to fix.

mod checks;
mod model;

use std::process::ExitCode;

use agent::Provider;
use agent::openai::RemoteSettings;
use chassis::settings::{
    BusSettings, DatabaseSettings, GmailSettings, OutboundSettings, TwilioSettings,
};
use clap::Args;
use secrecy::SecretString;

use crate::output::line;

/// Check every setting and connection, and say what to fix
///
/// One line each: ok, warn or fail. It shows the last webhooks that were refused because of their
/// signature, with the URL that was tried and the names of their parameters. Exit 1 when something
/// fails.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    database: DatabaseSettings,
    #[command(flatten)]
    bus: BusSettings,
    #[command(flatten)]
    twilio: TwilioSettings,
    #[command(flatten)]
    gmail: GmailSettings,
    #[command(flatten)]
    outbound: OutboundSettings,
    /// openai or builtin
    #[arg(long, env = "FTE_MODEL_PROVIDER")]
    model_provider: Option<Provider>,
    #[command(flatten)]
    model: RemoteSettings,
    /// Audience of the tokens of Pub/Sub's push
    #[arg(long, env = "PUBSUB_AUDIENCE")]
    pubsub_audience: Option<String>,
    /// E-mail of the service account that signs the pushes
    #[arg(long, env = "PUBSUB_SERVICE_ACCOUNT")]
    pubsub_service_account: Option<String>,
    /// Topic that Gmail publishes to
    #[arg(long, env = "PUBSUB_TOPIC")]
    pubsub_topic: Option<String>,
    /// Where people's tools are told of hand-offs
    #[arg(long, env = "HANDOFF_WEBHOOK_URL", hide_env_values = true)]
    handoff_webhook_url: Option<SecretString>,
    /// Secret that signs them
    #[arg(long, env = "HANDOFF_WEBHOOK_SECRET", hide_env_values = true)]
    handoff_webhook_secret: Option<SecretString>,
}

/// What a check found.
enum Finding {
    Fine(String),
    /// It works, but somebody should look.
    Warn(String),
    /// It does not work; the text says what to do.
    Fail(String),
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let pool = arguments.database.pool("doctor")?;
    let findings = [
        ("database", checks::database(&pool).await),
        ("log", checks::log(&arguments.bus, &pool).await),
        ("channels", checks::channels(&pool).await),
        ("public url", checks::public_url(&arguments.twilio)),
        ("whatsapp", checks::twilio(&arguments.twilio, arguments.outbound).await),
        ("e-mail", checks::gmail(&arguments.gmail, arguments.outbound, &pool).await),
        ("pub/sub", checks::pubsub(&arguments)),
        ("model", model::chat(&arguments).await),
        ("embeddings", model::embeddings(&arguments).await),
        ("hand-off", checks::hand_off(&arguments)),
        ("webhooks", checks::refused(&pool).await),
    ];
    let mut code = ExitCode::SUCCESS;
    for (subject, finding) in findings {
        let (word, text) = match finding {
            Finding::Fine(text) => ("ok", text),
            Finding::Warn(text) => ("warn", text),
            Finding::Fail(text) => {
                code = ExitCode::FAILURE;
                ("fail", text)
            }
        };
        line(format!("{word:<5} {subject:<11} {text}"))?;
    }
    Ok(code)
}
