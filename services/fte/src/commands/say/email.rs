//! `fte say email`: through the emulator of Gmail.

use std::process::ExitCode;
use std::time::Duration;

use chassis::SettingsError;
use clap::Args;
use serde_json::{Value, json};

use super::{Emulator, field, print_replies};

#[derive(Debug, Args)]
pub(super) struct Email {
    /// The customer's address, as sam@example.org
    #[arg(long)]
    from: String,
    /// The customer's name, as mails show it
    #[arg(long, default_value = "Sam Customer")]
    name: String,
    /// The mail's subject; with --reply that of the mail answered, unless another is given
    #[arg(long, required_unless_present = "reply")]
    subject: Option<String>,
    /// Answer the newest mail that came to this address
    #[arg(long)]
    reply: bool,
    /// How long to wait for the reply; 0s does not wait
    #[arg(long, default_value = "30s", value_parser = humantime::parse_duration)]
    wait: Duration,
    /// Where the emulator is; `fte up` tells it
    #[arg(long, env = "GMAIL_API_BASE_URL", value_name = "URL")]
    emulator: Option<String>,
    /// What to write
    text: String,
}

impl Email {
    pub(super) async fn say(self) -> anyhow::Result<ExitCode> {
        let parts = self.from.split_once('@');
        let is_plain = !self.from.chars().any(|c| c.is_whitespace() || "<>,;\"".contains(c));
        if !is_plain || parts.is_none_or(|(local, host)| local.is_empty() || host.is_empty()) {
            return Err(SettingsError("--from must be like sam@example.org".to_owned()).into());
        }
        let inbox = Inbox {
            emulator: Emulator::at(self.emulator.clone(), "GMAIL_…")?,
            address: self.from.to_lowercase(),
        };
        let before = inbox.mails().await?;
        inbox.emulator.post("/_test/inbound", &self.mail(before.last())?).await?;
        let replies = async || {
            let mails = inbox.mails().await?;
            let shown = mails.iter().map(|mail| {
                format!("Subject: {}\n\n{}", field(mail, "subject"), field(mail, "text").trim_end())
            });
            Ok(shown.collect())
        };
        print_replies(replies, before.len(), self.wait).await
    }

    /// What the customer writes, as the emulator takes it.
    fn mail(&self, answered: Option<&Value>) -> anyhow::Result<Value> {
        let answered = answered.filter(|_| self.reply);
        if self.reply && answered.is_none() {
            anyhow::bail!("no mail has come to {} yet that could be answered", self.from);
        }
        let same = answered.map(|answered| field(answered, "subject"));
        Ok(json!({
            "from": format!("{} <{}>", self.name, self.from),
            "subject": self.subject.clone().or(same),
            "text": self.text,
            "in_reply_to": answered.map(|answered| field(answered, "message_id")),
            // What Gmail says of a sender whose domain vouches for the mail.
            "verdict": "pass",
        }))
    }
}

/// A customer's mails.
struct Inbox {
    emulator: Emulator,
    address: String,
}

impl Inbox {
    /// Those that have come, in order.
    async fn mails(&self) -> anyhow::Result<Vec<Value>> {
        let Value::Array(mut sent) = self.emulator.get("/_test/sent").await? else {
            return Ok(Vec::new());
        };
        sent.retain(|mail| {
            let recipients = mail.get("recipients").and_then(Value::as_array);
            let is_us = |to: &Value| to.as_str() == Some(&self.address);
            recipients.is_some_and(|recipients| recipients.iter().any(is_us))
        });
        Ok(sent)
    }
}
