//! `fte say`: writes as a customer through an emulated provider, and prints the reply.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use chassis::SettingsError;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::output::line;

const POLL: Duration = Duration::from_millis(100);

/// How long after one part another may follow.
const QUIET: Duration = Duration::from_secs(1);

/// Longest wait for the emulator's own answer: it waits for our webhook.
const TIMEOUT: Duration = Duration::from_secs(30);

const EXIT_CODES: &str = "\
Works where `fte up` runs with its own emulator: when no TWILIO_… was set. The customer is whoever
--from says; the same number again goes on with the same conversation.

Exit codes: 0 a reply came, 1 the message was not taken or no reply came in time, 64 wrong usage.

Example:
  fte say whatsapp --from +14155550123 \"How do I export my board?\"";

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
    Whatsapp(Whatsapp),
}

#[derive(Debug, Args)]
struct Whatsapp {
    /// The customer's number, as +14155550123
    #[arg(long)]
    from: String,
    /// The customer's name, as WhatsApp shows it
    #[arg(long, default_value = "Sam Customer")]
    name: String,
    /// How long to wait for the reply; 0s does not wait
    #[arg(long, default_value = "30s", value_parser = humantime::parse_duration)]
    wait: Duration,
    /// Where the emulator is; `fte up` tells it
    #[arg(long, env = "TWILIO_API_BASE_URL", value_name = "URL")]
    emulator: Option<String>,
    /// What to write
    text: String,
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    match arguments.channel {
        ChannelArguments::Whatsapp(whatsapp) => whatsapp.say().await,
    }
}

impl Whatsapp {
    async fn say(self) -> anyhow::Result<ExitCode> {
        let digits = self.from.strip_prefix('+').unwrap_or_default();
        if !(7..=15).contains(&digits.len()) || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(SettingsError("--from must be like +14155550123".to_owned()).into());
        }
        let Some(emulator) = self.emulator.clone() else {
            let text = "no emulator is known: start `fte up` without TWILIO_…, and run this in \
                        the same folder (or with the same FTE_DATA)";
            return Err(SettingsError(text.to_owned()).into());
        };
        let phone = Phone {
            client: reqwest::Client::builder().timeout(TIMEOUT).build()?,
            emulator: emulator.trim_end_matches('/').to_owned(),
            address: format!("whatsapp:{}", self.from),
        };
        let before = phone.replies().await?.len();
        phone.write(&self.name, &self.text).await?;
        if self.wait.is_zero() {
            return Ok(ExitCode::SUCCESS);
        }
        let printed = phone.print_replies(before, self.wait).await?;
        anyhow::ensure!(printed > 0, "no reply came within {:?}", self.wait);
        Ok(ExitCode::SUCCESS)
    }
}

/// A customer's phone.
struct Phone {
    client: reqwest::Client,
    emulator: String,
    address: String,
}

impl Phone {
    async fn write(&self, name: &str, text: &str) -> anyhow::Result<()> {
        let message = json!({ "from": self.address, "body": text, "profile_name": name });
        let request = self.client.post(format!("{}/_test/inbound", self.emulator));
        let answer = self.answer(request.json(&message)).await?;
        if answer.get("is_delivered") == Some(&Value::Bool(true)) {
            return Ok(());
        }
        let attempts = answer.get("attempts").and_then(Value::as_array);
        let last = attempts.and_then(|attempts| attempts.last()).cloned().unwrap_or_default();
        let status = last.get("status").and_then(Value::as_u64);
        match status {
            Some(status) => {
                anyhow::bail!("the webhook answered {status}: the message was not taken")
            }
            None => anyhow::bail!("the webhook does not answer: is `fte up` ready?"),
        }
    }

    /// The texts that have come to this phone, in order.
    async fn replies(&self) -> anyhow::Result<Vec<String>> {
        let request = self.client.get(format!("{}/_test/messages", self.emulator));
        let messages = self.answer(request).await?;
        let field = |message: &Value, name: &str| {
            message.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let arrived = |message: &&Value| {
            field(message, "to") == self.address
                && ["sent", "delivered", "read"].contains(&field(message, "status").as_str())
        };
        let messages = messages.as_array().map(Vec::as_slice).unwrap_or_default();
        Ok(messages.iter().filter(arrived).map(|message| field(message, "body")).collect())
    }

    /// Prints each reply after the first `seen` as it comes. Returns how many came.
    async fn print_replies(&self, seen: usize, wait: Duration) -> anyhow::Result<usize> {
        let mut deadline = Instant::now() + wait;
        let mut printed = 0;
        while Instant::now() < deadline {
            for text in self.replies().await?.iter().skip(seen + printed) {
                line(text)?;
                printed += 1;
                deadline = Instant::now() + QUIET;
            }
            sleep(POLL).await;
        }
        Ok(printed)
    }

    async fn answer(&self, request: reqwest::RequestBuilder) -> anyhow::Result<Value> {
        let response = request.send().await.map_err(reqwest::Error::without_url);
        let response = response
            .with_context(|| format!("{} does not answer: is `fte up` running?", self.emulator))?;
        let status = response.status();
        anyhow::ensure!(status.is_success(), "{} answered {status}: no emulator", self.emulator);
        Ok(response.json().await?)
    }
}
