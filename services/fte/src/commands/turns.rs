//! `fte turns`: why the agent decided as it did, and whether it would again.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use agent::Policy;
use agent::log::TurnLog;
use agent::replay::{Difference, replay};
use anyhow::{Context as _, bail};
use chassis::clock;
use chassis::settings::DatabaseSettings;
use chrono::TimeDelta;
use clap::{Args, Subcommand};
use serde_json::Value;
use sqlx::PgPool;
use store::turn_logs::{self, StoredTurn};

use crate::output::line;

/// Turns that are read at once.
const PAGE: i64 = 500;
/// Characters of a differing value that are shown.
const SHOWN: usize = 120;

/// Show why the agent decided as it did, and decide again
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show what a turn read, found, asked and decided
    Show {
        /// A turn's id, a conversation's id or a ticket's ref
        name: String,
        /// The whole decision log as JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        database: DatabaseSettings,
    },
    /// Decide again from the log, without a model and without writing, and compare
    ///
    /// Exit code 1 when a decision differs, with the places where it does.
    Replay {
        /// A turn's id, a conversation's id or a ticket's ref
        #[arg(required_unless_present = "all")]
        name: Option<String>,
        /// Every turn of the time given by `--since`
        #[arg(long, conflicts_with = "name")]
        all: bool,
        /// How far back `--all` goes
        #[arg(long, default_value = "24h", value_parser = humantime::parse_duration)]
        since: std::time::Duration,
        /// Folder of the support policy
        #[arg(long, env = "FTE_POLICY", default_value = "policy")]
        policy: PathBuf,
        #[command(flatten)]
        database: DatabaseSettings,
    },
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    match arguments.action {
        Action::Show { name, json, database } => {
            for turn in named(&database.pool("turns")?, &name).await? {
                show(&turn, json)?;
            }
            Ok(ExitCode::SUCCESS)
        }
        Action::Replay { name, all: _, since, policy, database } => {
            let pool = database.pool("turns")?;
            let policy = Arc::new(Policy::load(&policy)?);
            let mut tally = Tally::default();
            match name {
                Some(name) => {
                    for turn in named(&pool, &name).await? {
                        tally.add(&policy, &turn).await?;
                    }
                }
                None => every(&pool, since, &policy, &mut tally).await?,
            }
            line(format!("{} turns decided again, {} differ", tally.turns, tally.differing))?;
            Ok(if tally.differing == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
    }
}

async fn named(pool: &PgPool, name: &str) -> anyhow::Result<Vec<StoredTurn>> {
    let turns = turn_logs::find(pool, name).await?;
    if turns.is_empty() {
        bail!("no turn, conversation or ticket is called {name}, or it had no turn yet");
    }
    Ok(turns)
}

async fn every(
    pool: &PgPool,
    since: std::time::Duration,
    policy: &Arc<Policy>,
    tally: &mut Tally,
) -> anyhow::Result<()> {
    let since = TimeDelta::from_std(since).context("the time is too long")?;
    let since = clock::now() - since;
    let mut last = None;
    loop {
        let turns = turn_logs::since(pool, since, last, PAGE).await?;
        let Some(newest) = turns.last() else { return Ok(()) };
        last = Some((newest.created_at, newest.id));
        for turn in &turns {
            tally.add(policy, turn).await?;
        }
    }
}

/// What deciding again came to.
#[derive(Default)]
struct Tally {
    turns: usize,
    differing: usize,
}

impl Tally {
    async fn add(&mut self, policy: &Arc<Policy>, turn: &StoredTurn) -> anyhow::Result<()> {
        self.turns += 1;
        let (id, ticket) = (turn.id, &turn.ticket_ref);
        match replay(Arc::clone(policy), &turn.log).await {
            Ok(differences) if differences.is_empty() => Ok(()),
            Ok(differences) => {
                self.differing += 1;
                line(format!("turn {id} of {ticket} differs:"))?;
                differences.iter().try_for_each(|one| Ok(line(difference(one))?))
            }
            Err(error) => {
                self.differing += 1;
                Ok(line(format!("turn {id} of {ticket}: {error}"))?)
            }
        }
    }
}

fn difference(one: &Difference) -> String {
    let value = |value: &Option<Value>| match value {
        None => "nothing".to_owned(),
        Some(value) => cut(&value.to_string(), SHOWN),
    };
    format!("  {}: logged {}, now {}", one.place, value(&one.logged), value(&one.again))
}

fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{} …", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

fn show(turn: &StoredTurn, json: bool) -> anyhow::Result<()> {
    if json {
        return Ok(line(serde_json::to_string_pretty(&turn.log)?)?);
    }
    let log: TurnLog =
        serde_json::from_value(turn.log.clone()).context("the log is of another version")?;
    head(turn, &log)?;
    reading(&log)?;
    for (at, search) in log.searches.iter().enumerate() {
        let by = if at == 0 { "the agent" } else { "the model" };
        line(format!("search by {by}: {}", cut(&search.query, SHOWN)))?;
        for found in &search.found {
            line(format!("  {:.3}  {} v{}", found.relevance, found.chunk_id, found.version))?;
        }
    }
    for (at, round) in log.rounds.iter().enumerate() {
        line(format!("answer {} of the model ({:?})", at + 1, round.answer.finish))?;
        for call in &round.answer.calls {
            line(format!("  {}({})", call.name, cut(&call.arguments, SHOWN)))?;
        }
        for result in &round.results {
            let kind = if result.is_error { "error" } else { "result" };
            line(format!("    {kind} {}", cut(&result.content, SHOWN)))?;
        }
    }
    if let Some(end) = log.end {
        line(format!("the model's part ended: {end:?}"))?;
    }
    for verdict in log.verdicts.iter().filter_map(|verdict| verdict.refused.as_ref()) {
        line(format!("words held back: {verdict}"))?;
    }
    for part in &log.draft.reply {
        line(format!("reply:\n{}\n", indented(part)))?;
    }
    Ok(())
}

fn head(turn: &StoredTurn, log: &TurnLog) -> anyhow::Result<()> {
    let draft = &log.draft;
    line(format!("turn {} of {} at {}", turn.id, turn.ticket_ref, turn.created_at))?;
    line(format!("outcome: {} ({})", turn.outcome, draft.reason))?;
    if let Some(hand_over) = &draft.hand_over {
        line(format!("to: {}", hand_over.person))?;
    }
    line(format!("category: {}, priority: {}", draft.category, draft.priority))?;
    let cost = turn
        .cost_micro_usd
        .map_or(String::new(), |micro| format!(", {:.6} USD", micro as f64 / 1_000_000.0));
    line(format!(
        "model: {} ({} + {} tokens{cost}), {} ms, policy {}",
        turn.model,
        turn.prompt_tokens,
        turn.completion_tokens,
        turn.duration_us / 1_000,
        log.policy.get(..12).unwrap_or_default(),
    ))?;
    Ok(())
}

fn reading(log: &TurnLog) -> anyhow::Result<()> {
    let reading = &log.reading;
    line(format!("read as: {:?}, sentiment {:+.2}", reading.kind, reading.sentiment.score))?;
    let hits = reading.hits.iter().map(|hit| ("always", hit));
    for (kind, hit) in hits.chain(reading.likely.iter().map(|hit| ("likely", hit))) {
        line(format!("{kind} to a person: {} by {:?}, “{}”", hit.rule, hit.by, hit.words))?;
    }
    Ok(())
}

fn indented(text: &str) -> String {
    text.lines().map(|text| format!("  {text}")).collect::<Vec<_>>().join("\n")
}
