//! `fte ledger`: what the providers have sent for us against what we think we have sent.

use std::process::ExitCode;
use std::time::Duration;

use chassis::SettingsError;
use chassis::settings::DatabaseSettings;
use chrono::{DateTime, TimeDelta, Utc};
use clap::Args;
use sqlx::PgPool;
use store::verify_ledger;

use crate::chaos::ledger::{self, Ledger, ProviderSend};
use crate::commands::say::Emulator;
use crate::output::line;

const SHOWN: usize = 20;

/// Compare the providers' record of sends with the deliveries
///
/// Works where `fte up` runs with its own emulators, whose record is complete: every delivery that
/// counts as sent has exactly one send there, and every send belongs to one delivery. An emulator
/// remembers from its start on, so after a restart say --since. Exit 1 on a gap or a double.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    database: DatabaseSettings,
    /// Where the emulator of Twilio is; `fte up` tells it
    #[arg(long, env = "TWILIO_API_BASE_URL", value_name = "URL")]
    twilio: Option<String>,
    /// Where the emulator of Gmail is; `fte up` tells it
    #[arg(long, env = "GMAIL_API_BASE_URL", value_name = "URL")]
    gmail: Option<String>,
    /// Only deliveries as young as this
    #[arg(long, value_parser = humantime::parse_duration)]
    since: Option<Duration>,
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    if arguments.twilio.is_none() && arguments.gmail.is_none() {
        let text = "no emulator is known: run this where `fte up` runs without TWILIO_… or GMAIL_…";
        return Err(SettingsError(text.to_owned()).into());
    }
    let pool = arguments.database.pool("ledger")?;
    let since = arguments.since.and_then(|age| TimeDelta::from_std(age).ok());
    let since = since.map_or(DateTime::UNIX_EPOCH, |age| chassis::clock::now() - age);
    let mut is_balanced = true;
    if let Some(url) = arguments.twilio {
        let sends = ledger::read_twilio(&Emulator::at(Some(url), "TWILIO_…")?).await?;
        is_balanced &= show("whatsapp", &against(&pool, "whatsapp", &sends, since).await?)?;
    }
    if let Some(url) = arguments.gmail {
        let sends = ledger::read_gmail(&Emulator::at(Some(url), "GMAIL_…")?).await?;
        is_balanced &= show("email", &against(&pool, "email", &sends, since).await?)?;
    }
    Ok(if is_balanced { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The provider's record against the deliveries of its outlet.
pub(crate) async fn against(
    pool: &PgPool,
    outlet: &str,
    sends: &[ProviderSend],
    since: DateTime<Utc>,
) -> anyhow::Result<Ledger> {
    let entries = verify_ledger::entries(pool, outlet, since).await?;
    let others = verify_ledger::other_mails(pool).await?.into_iter().collect();
    let young: Vec<_> = sends.iter().filter(|send| send.at >= since).cloned().collect();
    Ok(ledger::balance(&entries, &young, &others))
}

fn show(outlet: &str, ledger: &Ledger) -> anyhow::Result<bool> {
    line(format!(
        "{outlet:<9} {} deliveries sent once, {} other mails, {} in doubt, {} breaches",
        ledger.matched,
        ledger.others,
        ledger.doubts.len(),
        ledger.breaches.len()
    ))?;
    for text in ledger.breaches.iter().take(SHOWN) {
        line(format!("  {text}"))?;
    }
    for doubt in ledger.doubts.iter().take(SHOWN) {
        line(format!("  in doubt: {}", ledger::doubt(doubt)))?;
    }
    Ok(ledger.breaches.is_empty())
}
