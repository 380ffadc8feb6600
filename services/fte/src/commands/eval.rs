//! `fte eval`: judges the agent on labelled tickets.

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use agent::log::Inputs;
use agent::openai::RemoteSettings;
use agent::policy::{self, LeftOut, Policy};
use agent::sentiment::Dictionaries;
use agent::{
    AnyModel, Embedder, EmbedderSettings, Judge, ModelSettings, Provider, Reader, TurnSettings,
};
use anyhow::Context as _;
use chassis::SettingsError;
use chassis::settings::OutboundSettings;
use clap::Args;
use futures::{StreamExt as _, TryStreamExt as _};
use secrecy::SecretString;
use serde_json::json;

use crate::commands::kb;
use crate::eval::database::Throwaway;
use crate::eval::gate::Gate;
use crate::eval::outcome::Outcome;
use crate::eval::report::Report;
use crate::eval::set::{self, Ticket};
use crate::eval::{print, sentences};
use crate::output::line;

/// The project's own.
const SETS: [&str; 3] =
    ["evaluation/tuning.jsonl", "evaluation/tuning-2.jsonl", "evaluation/tuning-3.jsonl"];

/// Judge the agent on labelled tickets
///
/// Every ticket takes the agent's own path to a decision, with the articles and the policy given
/// here, in a database that is made for it and dropped. A set below the gate gives exit code 1.
/// The format of sets: evaluation/README.md.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Tickets, one JSON object a line; may be given several times
    #[arg(long, value_name = "FILE", default_values = SETS)]
    set: Vec<PathBuf>,
    /// Judge the dictionaries on these sentences instead; needs no database
    #[arg(long, value_name = "FILE", conflicts_with = "set")]
    sentiment: Vec<PathBuf>,
    /// Judge the policy on its own example tickets instead, each file of them left out of what
    /// it learns in turn: without articles, database or model, one report for all
    #[arg(long, conflicts_with_all = ["set", "sentiment"])]
    left_out: bool,
    /// Folder with the articles
    #[arg(long, value_name = "FOLDER", default_value = "knowledge")]
    kb: PathBuf,
    /// Folder with the support policy
    #[arg(long, env = "FTE_POLICY", default_value = "policy")]
    policy: PathBuf,
    /// Who drafts answers
    #[arg(long, env = "FTE_MODEL_PROVIDER", default_value = "builtin")]
    model_provider: Provider,
    #[command(flatten)]
    remote: RemoteSettings,
    #[command(flatten)]
    outbound: OutboundSettings,
    #[command(flatten)]
    embedder: EmbedderSettings,
    /// Where to make the database; a PostgreSQL of its own when absent
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: Option<SecretString>,
    /// Tickets that are judged side by side
    #[arg(long, default_value_t = 8)]
    parallel: usize,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
    /// List what was missed, and why; never for a set called untouched
    #[arg(long)]
    details: bool,
    #[command(flatten)]
    gate: Gate,
}

/// What is written and what was too low.
#[derive(Default)]
struct Verdict {
    reports: Vec<serde_json::Value>,
    failures: Vec<String>,
}

impl Verdict {
    /// Prints a report, or keeps it for one list of all.
    fn add(
        &mut self,
        arguments: &Arguments,
        report: Report,
        outcomes: &[Outcome],
    ) -> anyhow::Result<()> {
        self.failures.extend(arguments.gate.failures(&report));
        let misses = outcomes.iter().flat_map(Outcome::misses);
        let misses: Vec<_> = misses.filter(|_| arguments.details).collect();
        if arguments.json {
            let misses = arguments.details.then_some(misses);
            self.reports.push(json!({ "report": report, "misses": misses }));
        } else {
            print::report(&report)?;
            print::misses(&misses)?;
        }
        Ok(())
    }
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let is_untouched = |path: &&PathBuf| path.to_string_lossy().contains("untouched");
    let sets = if arguments.sentiment.is_empty() { &arguments.set } else { &arguments.sentiment };
    if arguments.details && sets.iter().any(|set| is_untouched(&set)) {
        let problem = "--details would make an untouched set one that was looked at";
        return Err(SettingsError(problem.to_owned()).into());
    }
    let verdict = if arguments.left_out {
        judge_left_out(&arguments).await?
    } else if arguments.sentiment.is_empty() {
        judge_tickets(&arguments).await?
    } else {
        judge_sentences(&arguments)?
    };
    if arguments.json {
        let is_passed = verdict.failures.is_empty();
        let all = json!({
            "sets": verdict.reports,
            "gate": { "passed": is_passed, "failures": verdict.failures },
        });
        line(serde_json::to_string_pretty(&all)?)?;
    }
    for failure in &verdict.failures {
        eprintln!("below the gate: {failure}");
    }
    Ok(if verdict.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn judge_sentences(arguments: &Arguments) -> anyhow::Result<Verdict> {
    let dictionaries = Dictionaries::load(&arguments.policy.join("sentiment"))
        .map_err(|error| SettingsError(error.to_string()))?;
    let mut verdict = Verdict::default();
    for path in &arguments.sentiment {
        let name = path.display().to_string();
        let (share, misses) = sentences::judge(&dictionaries, &set::sentences(path)?);
        let misses = if arguments.details { misses } else { Vec::new() };
        verdict.failures.extend(arguments.gate.sentence_failure(&name, share));
        if arguments.json {
            let report = json!({ "set": name, "sentiment": share, "misses": misses });
            verdict.reports.push(report);
        } else {
            print::sentences(&name, share)?;
            print::misses(&misses)?;
        }
    }
    Ok(verdict)
}

/// Each file is judged by a policy that has learned from all others.
async fn judge_left_out(arguments: &Arguments) -> anyhow::Result<Verdict> {
    let wrong = |error: String| SettingsError(error);
    let load = || Policy::load(&arguments.policy).map_err(|error| wrong(error.to_string()));
    let server = arguments.remote.embeddings(arguments.outbound)?;
    let embedder = Embedder::open(&arguments.embedder, server.as_ref());
    let embedder = embedder.map_err(|error| wrong(error.to_string()))?;
    let mut outcomes = Vec::new();
    for file in load()?.ticket_files() {
        let mut policy = load()?;
        let tickets = policy.leave_out(&file);
        eprintln!("learning without the {} tickets of {file}", tickets.len());
        let reader = Reader::learned_once(Arc::new(policy), embedder.clone()).await?;
        let read = tickets.into_iter().map(|ticket| read_left_out(&reader, ticket));
        let read = futures::stream::iter(read).buffered(arguments.parallel.max(1));
        outcomes.extend(read.try_collect::<Vec<Outcome>>().await?);
    }
    let name = format!("{}, each file left out in turn", arguments.policy.display());
    let mut verdict = Verdict::default();
    verdict.add(arguments, Report::new(name, "none".to_owned(), &outcomes), &outcomes)?;
    Ok(verdict)
}

async fn read_left_out(reader: &Reader, ticket: LeftOut) -> anyhow::Result<Outcome> {
    let (subject, message) = match ticket.text.split_once("\n\n") {
        Some((subject, message)) if !subject.contains('\n') => (Some(subject), message),
        _ => (None, ticket.text.as_str()),
    };
    let inputs = policy::Inputs { subject, bodies: &[message], ..policy::Inputs::default() };
    let reading = reader.read(&inputs).await?;
    Ok(Outcome::of_reading(ticket, &reading))
}

async fn judge_tickets(arguments: &Arguments) -> anyhow::Result<Verdict> {
    let sets = arguments.set.iter().map(|path| Ok((path.as_path(), set::tickets(path)?)));
    let sets: Vec<(&Path, Vec<Ticket>)> = sets.collect::<Result<_, SettingsError>>()?;
    let wrong = |error: String| SettingsError(error);
    let policy = Policy::load(&arguments.policy).map_err(|error| wrong(error.to_string()))?;
    let policy = Arc::new(policy);
    let settings = ModelSettings {
        model_provider: arguments.model_provider,
        remote: arguments.remote.clone(),
        outbound: arguments.outbound,
    };
    let model = settings.open(&policy)?;
    let server = arguments.remote.embeddings(arguments.outbound)?;
    let embedder = Embedder::open(&arguments.embedder, server.as_ref());
    let embedder = embedder.map_err(|error| wrong(error.to_string()))?;
    eprintln!("making a database with the articles of {}", arguments.kb.display());
    let database = Throwaway::create(arguments.database_url.as_ref()).await?;
    let pool = database.pool.clone();
    eprintln!("{}", kb::load(&pool, &embedder, &arguments.kb).await?);
    let reader = Reader::learned(policy, embedder.clone()).await?;
    let judge = Judge::new(pool, reader, embedder, model, turn_settings());
    let verdict = judge_sets(arguments, &sets, &judge).await;
    // It keeps connections, and the pool closes when all have come back.
    drop(judge);
    database.drop().await?;
    verdict
}

/// As the agent's defaults; nothing here comes in bursts or is tried again.
fn turn_settings() -> TurnSettings {
    TurnSettings {
        burst_window: Duration::ZERO,
        tries: 1,
        model_time: Duration::from_secs(60),
        model_tokens: 60_000,
    }
}

async fn judge_sets(
    arguments: &Arguments,
    sets: &[(&Path, Vec<Ticket>)],
    judge: &Judge<AnyModel>,
) -> anyhow::Result<Verdict> {
    let mut verdict = Verdict::default();
    for (path, tickets) in sets {
        let name = path.display().to_string();
        let outcomes = judge_set(judge, tickets, arguments.parallel).await?;
        let report = Report::new(name, judge.model().to_owned(), &outcomes);
        verdict.add(arguments, report, &outcomes)?;
    }
    Ok(verdict)
}

/// In the order of the set, whichever ends first.
async fn judge_set(
    judge: &Judge<AnyModel>,
    tickets: &[Ticket],
    parallel: usize,
) -> anyhow::Result<Vec<Outcome>> {
    let judged = tickets.iter().map(|ticket| async move {
        judge_one(judge, ticket).await.with_context(|| format!("ticket {}", ticket.id))
    });
    let mut outcomes = Vec::with_capacity(tickets.len());
    let mut judged = futures::stream::iter(judged).buffered(parallel.max(1));
    let shows_progress = std::io::stderr().is_terminal();
    while let Some(outcome) = judged.try_next().await? {
        outcomes.push(outcome);
        if shows_progress {
            eprint!("\r{} of {} tickets", outcomes.len(), tickets.len());
            std::io::stderr().flush()?;
        }
    }
    if shows_progress {
        eprintln!();
    }
    Ok(outcomes)
}

async fn judge_one(judge: &Judge<AnyModel>, ticket: &Ticket) -> anyhow::Result<Outcome> {
    let Ticket { channel, plan, name, subject, message, .. } = ticket.clone();
    let ticket_ref = "TF-20260105-0000".parse()?;
    let inputs = Inputs::first_contact(channel, ticket_ref, plan, name, subject, message);
    let log = judge.judge(inputs).await?;
    // What goes to a person at once is searched for nothing; that it could be found counts.
    let found = match (log.searches.first(), &ticket.expected.article) {
        (Some(search), _) => search.found.clone(),
        (None, Some(_)) => judge.search(&log.reading.own_words).await?,
        (None, None) => Vec::new(),
    };
    let mut articles: Vec<String> = Vec::new();
    for chunk in found {
        if !articles.contains(&chunk.article) {
            articles.push(chunk.article);
        }
    }
    Ok(Outcome::new(ticket, &log, articles))
}
