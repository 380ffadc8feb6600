//! `fte say whatsapp`: through the emulator of Twilio.

use std::process::ExitCode;
use std::time::Duration;

use chassis::SettingsError;
use clap::Args;
use serde_json::{Value, json};

use super::{Emulator, field, print_replies};

#[derive(Debug, Args)]
pub(super) struct Whatsapp {
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

impl Whatsapp {
    pub(super) async fn say(self) -> anyhow::Result<ExitCode> {
        let digits = self.from.strip_prefix('+').unwrap_or_default();
        if !(7..=15).contains(&digits.len()) || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(SettingsError("--from must be like +14155550123".to_owned()).into());
        }
        let emulator = Emulator::at(self.emulator, "TWILIO_…")?;
        let phone = Phone { emulator, address: format!("whatsapp:{}", self.from) };
        let before = phone.replies().await?.len();
        phone.write(&self.name, &self.text).await?;
        print_replies(async || phone.replies().await, before, self.wait).await
    }
}

/// A customer's phone.
struct Phone {
    emulator: Emulator,
    address: String,
}

impl Phone {
    async fn write(&self, name: &str, text: &str) -> anyhow::Result<()> {
        let message = json!({ "from": self.address, "body": text, "profile_name": name });
        let answer = self.emulator.post("/_test/inbound", &message).await?;
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
        let messages = self.emulator.get("/_test/messages").await?;
        let arrived = |message: &&Value| {
            field(message, "to") == self.address
                && ["sent", "delivered", "read"].contains(&field(message, "status").as_str())
        };
        let messages = messages.as_array().map(Vec::as_slice).unwrap_or_default();
        Ok(messages.iter().filter(arrived).map(|message| field(message, "body")).collect())
    }
}
