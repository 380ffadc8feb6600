//! `fte dlq`: what could not be handled, and what to do with it.

use std::process::ExitCode;

use anyhow::Context as _;
use bus::{DeadLetters, Letter, LetterFilter, LetterState, ReplayReport, ReplaySettings};
use chassis::settings::{BusSettings, DatabaseSettings};
use clap::{Args, Subcommand};
use contract::{EventId, Topic};
use serde_json::json;

use crate::output::{line, table};

/// List, show, replay and drop dead letters
///
/// A dead letter of identity-resolver parks its key: later messages of that key follow it, and
/// wait until it is replayed or dropped.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Args)]
struct Connection {
    #[command(flatten)]
    database: DatabaseSettings,
    #[command(flatten)]
    bus: BusSettings,
}

/// Which letters; all that is given must match
#[derive(Debug, Args)]
struct Selection {
    /// One letter, by its id
    #[arg(long)]
    id: Option<EventId>,
    /// Letters of one consumer group
    #[arg(long)]
    group: Option<String>,
    /// Letters that came from one topic
    #[arg(long)]
    topic: Option<Topic>,
    /// Letters of one key
    #[arg(long)]
    key: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List letters: parked lines first, each in its order
    List {
        #[command(flatten)]
        selection: Selection,
        /// Also what was replayed or dropped
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        connection: Connection,
    },
    /// Show one letter with its headers; the event may hold personal data
    Show {
        id: EventId,
        #[command(flatten)]
        connection: Connection,
    },
    /// Publish letters again, each parked line in its order
    Replay {
        #[command(flatten)]
        selection: Selection,
        /// Say what would be published, and publish nothing
        #[arg(long)]
        dry_run: bool,
        /// Needed when nothing selects: all letters
        #[arg(long)]
        all: bool,
        /// Letters a second; those of parked lines go one after another in any case
        #[arg(long, default_value_t = ReplaySettings::default().per_second)]
        per_second: u32,
        #[command(flatten)]
        connection: Connection,
    },
    /// Give letters up
    Drop {
        #[command(flatten)]
        selection: Selection,
        /// Needed when nothing selects: all letters
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        connection: Connection,
    },
}

impl Selection {
    fn filter(self, with_dealt_with: bool) -> LetterFilter {
        LetterFilter {
            id: self.id,
            group: self.group,
            topic: self.topic,
            key: self.key,
            class: None,
            with_dealt_with,
        }
    }

    /// Acting on everything takes a word of its own.
    fn deliberate(self, all: bool) -> anyhow::Result<LetterFilter> {
        let selects =
            self.id.is_some() || self.group.is_some() || self.topic.is_some() || self.key.is_some();
        if !selects && !all {
            let hint = "say which letters (--id, --group, --topic, --key), or --all";
            return Err(chassis::SettingsError(hint.to_owned()).into());
        }
        Ok(self.filter(false))
    }
}

impl Connection {
    async fn open(&self) -> anyhow::Result<DeadLetters> {
        let pool = self.database.pool("dlq")?;
        Ok(self.bus.connect(&pool).await?.dead_letters())
    }
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    match arguments.action {
        Action::List { selection, all, connection } => {
            list(&connection.open().await?.list(&selection.filter(all)).await?)?;
        }
        Action::Show { id, connection } => {
            let letter = connection.open().await?.show(id).await?;
            show(&letter.with_context(|| format!("no dead letter {id}"))?)?;
        }
        Action::Replay { selection, dry_run, all, per_second, connection } => {
            let filter = selection.deliberate(all)?;
            let settings = ReplaySettings { dry_run, per_second, ..ReplaySettings::default() };
            let letters = connection.open().await?;
            let report = letters.replay(&filter, settings, progress).await?;
            return finish(&report, dry_run);
        }
        Action::Drop { selection, all, connection } => {
            let dropped =
                connection.open().await?.drop_letters(&selection.deliberate(all)?).await?;
            line(format!("{dropped} dropped"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn state(letter: &Letter) -> String {
    match letter.state {
        LetterState::Open => "open".to_owned(),
        LetterState::Parked { replays: 0 } => "parked".to_owned(),
        LetterState::Parked { replays } => format!("parked, replayed {replays} times"),
        LetterState::Replayed => "replayed".to_owned(),
        LetterState::Dropped => "dropped".to_owned(),
    }
}

fn list(letters: &[Letter]) -> anyhow::Result<()> {
    if letters.is_empty() {
        return Ok(line("no dead letters")?);
    }
    let mut rows = table(["id", "at", "group", "topic", "key", "class", "state", "error"]);
    for letter in letters {
        let dead = &letter.letter;
        rows.add_row([
            letter.id().to_string(),
            letter.at.format("%Y-%m-%d %H:%M:%S").to_string(),
            dead.group.clone(),
            dead.topic.clone(),
            dead.key.clone(),
            dead.class.as_str().to_owned(),
            state(letter),
            dead.error.chars().take(80).collect(),
        ]);
    }
    Ok(line(rows.to_string())?)
}

fn show(letter: &Letter) -> anyhow::Result<()> {
    let dead = &letter.letter;
    let headers: serde_json::Map<_, _> = dead
        .headers
        .iter()
        .map(|(name, value)| (name.clone(), String::from_utf8_lossy(value).into()))
        .collect();
    let shown = json!({
        "letter": dead,
        "at": letter.at,
        "state": state(letter),
        "headers": headers,
        "event": original(letter),
    });
    Ok(line(serde_json::to_string_pretty(&shown)?)?)
}

/// The event as `fte tail` shows it where its bytes decode.
fn original(letter: &Letter) -> serde_json::Value {
    let Ok(topic) = letter.letter.topic.parse::<Topic>() else { return serde_json::Value::Null };
    super::tail::event_of(topic, &letter.letter.payload)
}

fn progress(report: &ReplayReport) {
    eprintln!("{} of {} published, {} handled", report.published, report.found, report.handled);
}

fn finish(report: &ReplayReport, dry_run: bool) -> anyhow::Result<ExitCode> {
    let verb = if dry_run { "would be published" } else { "found" };
    line(format!(
        "{} letters {verb}, {} in {} parked lines",
        report.found, report.found, report.lines
    ))?;
    if dry_run {
        return Ok(ExitCode::SUCCESS);
    }
    line(format!("{} published, {} handled", report.published, report.handled))?;
    for (id, error) in &report.came_back {
        line(format!("came back: {id}: {error}"))?;
    }
    if report.unread > 0 {
        line(format!("{} not read in time: is the consumer running?", report.unread))?;
    }
    let is_clean = report.came_back.is_empty() && report.unread == 0;
    Ok(if is_clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
