//! `fte say`: writes as a customer through an emulated provider, and prints the reply.

mod email;
mod whatsapp;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use chassis::SettingsError;
use clap::{Args, Subcommand};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::output::line;

const POLL: Duration = Duration::from_millis(100);

/// How long after one part another may follow.
const QUIET: Duration = Duration::from_secs(1);

/// Longest wait for the emulator's own answer: it waits for our webhook.
const TIMEOUT: Duration = Duration::from_secs(30);

const EXIT_CODES: &str = "\
Works where `fte up` runs with its own emulators: when no TWILIO_… or GMAIL_… was set. The customer
is whoever --from says; the same number again goes on with the same conversation, and a mail does
with --reply.

Exit codes: 0 a reply came, 1 the message was not taken or no reply came in time, 64 wrong usage.

Examples:
  fte say whatsapp --from +14155550123 \"How do I export my board?\"
  fte say email --from sam@example.org --subject \"Export\" \"How do I export my board?\"
  fte say email --from sam@example.org --reply \"And as PDF?\"";

/// Write to support as a customer and wait for the reply
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    channel: ChannelArguments,
}

#[derive(Debug, Subcommand)]
enum ChannelArguments {
    /// By WhatsApp, through the emulator of Twilio
    Whatsapp(whatsapp::Whatsapp),
    /// By e-mail, through the emulator of Gmail
    Email(email::Email),
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    match arguments.channel {
        ChannelArguments::Whatsapp(whatsapp) => whatsapp.say().await,
        ChannelArguments::Email(email) => email.say().await,
    }
}

/// An emulated provider.
pub(crate) struct Emulator {
    client: reqwest::Client,
    url: String,
}

impl Emulator {
    /// `variables` are those that `fte up` must not have been given.
    pub(crate) fn at(url: Option<String>, variables: &str) -> anyhow::Result<Self> {
        let Some(url) = url else {
            let text = format!(
                "no emulator is known: start `fte up` without {variables}, and run this in the \
                 same folder (or with the same FTE_DATA)"
            );
            return Err(SettingsError(text).into());
        };
        let client = reqwest::Client::builder().timeout(TIMEOUT).build()?;
        Ok(Self { client, url: url.trim_end_matches('/').to_owned() })
    }

    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.answer(self.client.get(format!("{}{path}", self.url))).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.answer(self.client.post(format!("{}{path}", self.url)).json(body)).await
    }

    /// As [`Self::post`], where nothing is answered.
    pub(crate) async fn tell(&self, path: &str, body: &Value) -> anyhow::Result<()> {
        let request = self.client.post(format!("{}{path}", self.url)).json(body);
        request.send().await?.error_for_status()?;
        Ok(())
    }

    async fn answer(&self, request: reqwest::RequestBuilder) -> anyhow::Result<Value> {
        let response = request.send().await.map_err(reqwest::Error::without_url);
        let response = response
            .with_context(|| format!("{} does not answer: is `fte up` running?", self.url))?;
        let status = response.status();
        anyhow::ensure!(status.is_success(), "{} answered {status}: no emulator", self.url);
        Ok(response.json().await?)
    }
}

/// Prints each reply after the first `seen` as it comes.
async fn print_replies(
    replies: impl AsyncFn() -> anyhow::Result<Vec<String>>,
    seen: usize,
    wait: Duration,
) -> anyhow::Result<ExitCode> {
    if wait.is_zero() {
        return Ok(ExitCode::SUCCESS);
    }
    let mut deadline = Instant::now() + wait;
    let mut printed = 0;
    while Instant::now() < deadline {
        for text in replies().await?.iter().skip(seen + printed) {
            line(text)?;
            printed += 1;
            deadline = Instant::now() + QUIET;
        }
        sleep(POLL).await;
    }
    anyhow::ensure!(printed > 0, "no reply came within {wait:?}");
    Ok(ExitCode::SUCCESS)
}

/// A text of the emulator's, empty where there is none.
pub(crate) fn field(value: &Value, name: &str) -> String {
    value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}
