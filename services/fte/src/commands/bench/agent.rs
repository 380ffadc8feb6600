//! `fte bench agent`: the local model; one agent beside conversations that wait for a slow model;
//! the whole pipeline with a model that answers at once.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use emulators::openai::{OpenAiEmulator, Settings as Emulated};
use tempfile::TempDir;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::Agent;
use super::embedding;
use super::pipeline::{FORM, submissions};
use super::stage::{Bench, Knowledge, Throughput};
use crate::bench::exposition::spent;
use crate::bench::load::{Pace, Target};
use crate::bench::process::resident_mb;
use crate::bench::{load, model_server, tickets};
use crate::output::line;
use crate::processes::Member;
use crate::up::service::Service;

/// Tickets a second while the conversations are filled in.
const FILLING: u32 = 400;

/// Longest wait for all of them to be answered.
const PATIENCE: Duration = Duration::from_secs(180);

/// How often the rows and the memory are looked at.
const SAMPLE: Duration = Duration::from_millis(100);

/// Load before the pipeline is measured.
const WARM_UP: Duration = Duration::from_secs(15);

/// Turns that one agent runs at once; the bare client asks as many.
const AT_ONCE: usize = 512;

/// Where the agent's vectors come from, and the memory that is hoped for.
#[derive(Clone, Copy)]
struct Vectors {
    title: &'static str,
    of_server: bool,
    target_mb: u32,
}

const WAYS: [Vectors; 2] = [
    Vectors { title: "embeddings of the server", of_server: true, target_mb: 150 },
    Vectors { title: "embeddings of this machine", of_server: false, target_mb: 300 },
];

/// What one run beside waiting conversations brought.
struct Run {
    elapsed: Duration,
    first_after: Duration,
    peak_mb: f64,
}

impl Agent {
    pub(super) async fn run(&self) -> anyhow::Result<()> {
        if cfg!(debug_assertions) {
            line("note: this is a debug build; its figures mean little")?;
        }
        let cores = std::thread::available_parallelism()?;
        line(format!("{cores} cores, shared by broker, database, agent, model server and load"))?;
        embedding::run().await?;
        let folder = tempfile::tempdir()?;
        for vectors in WAYS {
            self.waiting(&folder, vectors).await?;
        }
        self.pipeline(&folder).await
    }

    /// One agent, and conversations that were stored before it began.
    async fn waiting(&self, folder: &TempDir, vectors: Vectors) -> anyhow::Result<()> {
        let emulator = model_server::start(self.model_latency).await?;
        let knowledge = match vectors.of_server {
            true => Knowledge::of(&emulator, &self.knowledge)?,
            false => Knowledge::local(&self.knowledge)?,
        };
        let bench = Bench::start(folder, Some(knowledge)).await?;
        let from = chassis::clock::now();
        let accepted = self.fill(&bench, from).await?;
        let settings = for_agent(&emulator, vectors.of_server);
        let agent = bench.surroundings.start_with(Service::Agent, &settings.borrowed()).await?;
        agent.ready().await?;
        let run = self.until_handled(&bench, &agent, from, accepted).await?;
        let metrics = agent.metrics().await?;
        agent.stop().await?;

        let turns = store::progress::turns(&bench.pool, from).await?;
        let seconds = run.elapsed.as_secs_f64();
        line(format!(
            "\n{accepted} waiting conversations, a model of {:?}, {}",
            self.model_latency, vectors.title
        ))?;
        line(format!(
            "  turns           {:>8.0}/s   in {seconds:.1} s, the first after {:.1} s   (target ≥ 300/s)",
            accepted as f64 / seconds,
            run.first_after.as_secs_f64()
        ))?;
        line(format!(
            "  chats           {:>8}     at most {} at once   (one a turn)",
            emulator.chats(),
            emulator.most_at_once()
        ))?;
        line(format!("  out of order    {:>8}     of {} turns", turns.out_of_order, turns.turns))?;
        line(format!(
            "  resident        {:>8.1} MB at most   (target ≤ {} MB)",
            run.peak_mb, vectors.target_mb
        ))?;
        print_split(&metrics, turns.mean_us / 1_000.0)?;
        let bare = bare_rate(&emulator, accepted).await?;
        line(format!(
            "compared with: a client that does nothing but ask the same server as often, \
             {AT_ONCE} at once: {bare:.0}/s"
        ))?;
        bench.stop().await
    }

    /// Stores the conversations through the web form; returns how many there are.
    async fn fill(&self, bench: &Bench, from: DateTime<Utc>) -> anyhow::Result<u64> {
        let mut members = Vec::new();
        for service in [Service::WebformIngress, Service::IdentityResolver] {
            members.push(bench.surroundings.start(service).await?);
        }
        for member in &members {
            member.ready().await?;
        }
        let Some(form) = members.first() else { anyhow::bail!("no web form") };
        let target = Target { body: tickets::question, ..submissions(form.program.address, FORM) };
        let span = Duration::from_secs_f64(f64::from(self.conversations) / f64::from(FILLING));
        let report = load::run(target, Pace::Open(FILLING), self.connections, span).await?;
        let deadline = Instant::now() + PATIENCE;
        while store::progress::since(&bench.pool, from).await?.stored < report.accepted as i64 {
            anyhow::ensure!(Instant::now() < deadline, "the conversations are not stored");
            tokio::time::sleep(SAMPLE).await;
        }
        for member in members {
            member.stop().await?;
        }
        Ok(report.accepted)
    }

    async fn until_handled(
        &self,
        bench: &Bench,
        agent: &Member,
        from: DateTime<Utc>,
        accepted: u64,
    ) -> anyhow::Result<Run> {
        let began = Instant::now();
        let (mut first_after, mut peak_mb) = (None, 0.0_f64);
        loop {
            let handled = store::progress::since(&bench.pool, from).await?.handled;
            peak_mb = peak_mb.max(resident_mb(agent.pid()).unwrap_or_default());
            if handled > 0 {
                first_after.get_or_insert(began.elapsed());
            }
            if handled >= accepted as i64 {
                let first_after = first_after.unwrap_or_default();
                return Ok(Run { elapsed: began.elapsed(), first_after, peak_mb });
            }
            anyhow::ensure!(
                began.elapsed() < PATIENCE,
                "after {PATIENCE:?} {handled} of {accepted} conversations are handled"
            );
            tokio::time::sleep(SAMPLE).await;
        }
    }

    /// Every service, a model that answers at once, embeddings of the same server.
    async fn pipeline(&self, folder: &TempDir) -> anyhow::Result<()> {
        let emulator = model_server::start(Duration::ZERO).await?;
        let knowledge = Knowledge::of(&emulator, &self.knowledge)?;
        let mut bench = Bench::start(folder, Some(knowledge)).await?;
        bench.start_services(&for_agent(&emulator, true).borrowed()).await?;
        let form = bench.member(Service::WebformIngress)?.program.address;
        let target = Target { body: tickets::question, ..submissions(form, FORM) };
        let from = chassis::clock::now();
        let warm = load::run(target, Pace::Open(self.rate), self.connections, WARM_UP).await?;
        bench.drained(from, warm.accepted).await?;
        line("\nthe whole pipeline, a model that answers at once, embeddings of the server,")?;
        line(format!("after {WARM_UP:?} of the same load, as a broker compiles itself meanwhile"))?;
        let wanted = Throughput {
            rate: self.rate,
            duration: self.duration,
            connections: self.connections,
            target_per_s: 400,
        };
        let from = chassis::clock::now();
        bench.throughput(wanted, target.at(100_000_000)).await?;
        let turns = store::progress::turns(&bench.pool, from).await?;
        line(format!("  out of order    {:>8}     of {} turns", turns.out_of_order, turns.turns))?;
        line(format!(
            "  asked of the server: {} chats, {} requests for {} embeddings",
            emulator.chats(),
            emulator.embedding_requests(),
            emulator.texts()
        ))?;
        let agent = bench.member(Service::Agent)?;
        print_split(&agent.metrics().await?, turns.mean_us / 1_000.0)?;
        bench.print_memory("resident after the load")?;
        line("compared with: `fte bench pipeline`, the same load with the built-in model")?;
        bench.stop().await
    }
}

/// Variables with values of their own.
struct Variables(Vec<(&'static str, String)>);

impl Variables {
    fn borrowed(&self) -> Vec<(&str, &str)> {
        self.0.iter().map(|(name, value)| (*name, value.as_str())).collect()
    }
}

fn for_agent(emulator: &OpenAiEmulator, embeddings_of_server: bool) -> Variables {
    let mut variables = model_server::embeddings_of(emulator);
    variables.retain(|(name, _)| embeddings_of_server || *name != "EMBEDDING_MODEL");
    variables.push(("FTE_MODEL_PROVIDER", "openai".to_owned()));
    Variables(variables)
}

/// Means of what turns waited for. Steps run in batches, so that their waits overlap.
fn print_split(metrics: &str, turn_ms: f64) -> anyhow::Result<()> {
    let step =
        |step: &str| spent(metrics, "fte_agent_step_duration_seconds", &format!("step=\"{step}\""));
    let call = |endpoint: &str| {
        let label = format!("endpoint=\"{endpoint}\"");
        spent(metrics, "fte_model_call_duration_seconds", &label)
    };
    let rows = [
        ("model", call("chat")),
        ("embeddings", call("embeddings")),
        ("database: read", step("read")),
        ("search", step("search")),
        ("database: commit", step("commit")),
        ("publish", step("publish")),
    ];
    line(format!("  a turn took {turn_ms:.0} ms in the mean; of that, each time:"))?;
    for (name, spent) in rows {
        line(format!("    {name:<20} {:>8.1} ms   × {:.0}", spent.mean_ms(), spent.times))?;
    }
    Ok(())
}

/// Answers a second that the model server gives a client without anything around it.
async fn bare_rate(emulator: &OpenAiEmulator, requests: u64) -> anyhow::Result<f64> {
    let recorded = emulator.requests();
    let chat = recorded.iter().rev().find(|request| request.path.ends_with("completions"));
    let body = match chat {
        Some(chat) => chat.body.to_string(),
        None => r#"{"model":"m","messages":[{"role":"user","content":"x"}]}"#.to_owned(),
    };
    let client = reqwest::Client::new();
    let url = format!("{}/chat/completions", emulator.base_url());
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let began = Instant::now();
    let mut asked = JoinSet::new();
    for _ in 0..requests {
        let place = Arc::clone(&places).acquire_owned().await?;
        let request = client
            .post(&url)
            .bearer_auth(Emulated::default().api_key)
            .header("content-type", "application/json")
            .body(body.clone());
        asked.spawn(async move {
            let answer = request.send().await?.bytes().await;
            drop(place);
            answer
        });
    }
    while let Some(answer) = asked.join_next().await {
        answer??;
    }
    Ok(requests as f64 / began.elapsed().as_secs_f64())
}
