//! Every service that a form or a WhatsApp message passes, with a Twilio of this process,
//! and customers who write on both ways.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use chassis::settings::BusKind;
use chrono::{DateTime, Utc};
use emulators::openai::OpenAiEmulator;
use emulators::twilio::{Settings as Account, TwilioEmulator};
use tokio::time::{Instant, sleep};

use super::pipeline::{FORM, submissions};
use super::stage::{Bench, Knowledge};
use crate::bench::clients::{Crowd, Writing, Written};
use crate::bench::judge::quantile;
use crate::bench::load::Target;
use crate::bench::{calls, model_server, tickets};
use crate::chaos::ledger::{self, Ledger};
use crate::commands::ledger::against;
use crate::commands::say::Emulator;
use crate::output::line;
use crate::processes::Program;
use crate::up::service::Service;

/// How often the tables are looked at.
const LOOK: Duration = Duration::from_millis(100);

/// How long a customer tries to write.
const PATIENCE: Duration = Duration::from_secs(30);

/// Both ways on which others write.
pub(super) const CHANNELS: [&str; 2] = ["web_form", "whatsapp"];

/// A database, a log, the services and the providers: one that sends, one of embeddings.
pub(super) struct Fleet {
    pub(super) bench: Bench,
    pub(super) twilio: TwilioEmulator,
    _embeddings: OpenAiEmulator,
    crowds: u64,
    logs: PathBuf,
}

/// Messages a second on each of the two ways.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rates {
    pub(super) forms: u32,
    pub(super) whatsapp: u32,
}

/// Customers on both ways.
pub(super) struct Others([Crowd; 2]);

impl Fleet {
    /// Starts all of it, with so many agents and dispatchers, and says what it stands on.
    pub(super) async fn start(
        bus: BusKind,
        knowledge: &Path,
        replicas: usize,
    ) -> anyhow::Result<Self> {
        if cfg!(debug_assertions) {
            line("note: this is a debug build; its figures mean little")?;
        }
        let cores = std::thread::available_parallelism()?;
        let log = if bus == BusKind::Kafka { "Apache Kafka" } else { "PostgreSQL" };
        line(format!("{cores} cores, shared by services, servers and customers; log in {log}"))?;
        let logs = tempfile::Builder::new().prefix("fte-bench-logs-").tempdir()?.keep();
        line(format!("the services' logs, kept unless everything holds: {}", logs.display()))?;
        let embeddings = model_server::start(Duration::ZERO).await?;
        let knowledge = Knowledge::of(&embeddings, knowledge)?;
        let mut bench = Bench::start_on(bus, &logs, Some(knowledge)).await?;
        let twilio = TwilioEmulator::start(Account::default()).await?;
        let whatsapp = Program::one(Service::WhatsappIngress)?;
        let account = Account::default();
        bench.surroundings.variables = vec![
            ("TWILIO_ACCOUNT_SID", account.account_sid),
            ("TWILIO_AUTH_TOKEN", account.auth_token),
            ("TWILIO_WHATSAPP_FROM", account.sender),
            ("TWILIO_API_BASE_URL", twilio.base_url()),
            // The first takes callbacks, the second is what customers' messages are signed for.
            ("PUBLIC_BASE_URL", format!("http://{},{}", whatsapp.address, calls::ORIGIN)),
        ];
        // With vectors of this machine the agent takes most of its cores, and everybody
        // waits for those.
        bench.surroundings.variables.extend(model_server::embeddings_of(&embeddings));
        bench.members.push(bench.surroundings.start_at(whatsapp).await?);
        bench.start_services(&[]).await?;
        for service in [Service::Agent, Service::Dispatcher] {
            for _ in 1..replicas {
                bench.members.push(bench.surroundings.start(service).await?);
            }
        }
        bench.ready().await?;
        Ok(Self { bench, twilio, _embeddings: embeddings, crowds: 0, logs })
    }

    /// Forms, each of another customer, with a question that the agent answers.
    pub(super) fn forms(&mut self) -> anyhow::Result<Target> {
        let form = self.bench.member(Service::WebformIngress)?.program.address;
        let first = self.next_crowd();
        Ok(Target { body: tickets::question, first, ..submissions(form, FORM) })
    }

    /// WhatsApp messages, each of another customer.
    pub(super) fn messages(&mut self) -> anyhow::Result<Target> {
        let address = self.bench.member(Service::WhatsappIngress)?.program.address;
        let signature = Some(calls::signature as fn(u64) -> String);
        let first = self.next_crowd();
        Ok(Target { address, path: calls::PATH, body: calls::form, signature, first })
    }

    /// No two crowds write the same.
    fn next_crowd(&mut self) -> u64 {
        self.crowds += 1;
        self.crowds * calls::CROWD
    }

    /// Customers begin to write.
    pub(super) fn others(&mut self, rates: Rates) -> anyhow::Result<Others> {
        let writing = |target, per_second| Writing {
            target,
            per_second,
            most: if per_second == 0 { 0 } else { calls::CROWD },
            patience: PATIENCE,
        };
        let forms = Crowd::begin(writing(self.forms()?, rates.forms))?;
        let whatsapp = Crowd::begin(writing(self.messages()?, rates.whatsapp))?;
        Ok(Others([forms, whatsapp]))
    }

    /// Waits until every stored message has its outcome or a person who is to answer, every
    /// reply has left, and no less than `stored` messages are stored. Returns whether that came within the limit.
    pub(super) async fn at_rest(
        &self,
        from: DateTime<Utc>,
        stored: u64,
        limit: Duration,
    ) -> anyhow::Result<bool> {
        let deadline = Instant::now() + limit;
        let stored = i64::try_from(stored)?;
        loop {
            let progress = store::progress::since(&self.bench.pool, from).await?;
            let handled = progress.handled + progress.with_person;
            let is_handled = progress.stored >= stored && handled >= progress.stored;
            if is_handled && store::verify_load::open_work(&self.bench.pool).await? == 0 {
                return Ok(true);
            }
            if Instant::now() > deadline {
                return Ok(false);
            }
            sleep(LOOK).await;
        }
    }

    /// Seconds from each customer's message to the acceptance of its reply at the outlet,
    /// sorted; what has no reply waits forever. Without the messages of a disturber.
    pub(super) async fn waits(
        &self,
        channel: &str,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> anyhow::Result<Vec<f64>> {
        let pool = &self.bench.pool;
        let waits =
            store::progress::reply_latencies_us(pool, channel, from, to, calls::DISTURBER).await?;
        let seconds = |us: Option<i64>| us.map_or(f64::INFINITY, |us| us as f64 / 1e6);
        Ok(waits.into_iter().map(seconds).collect())
    }

    /// The provider's record against ours.
    pub(super) async fn ledger(&self) -> anyhow::Result<Ledger> {
        let emulator = Emulator::at(Some(self.twilio.base_url()), "TWILIO_…")?;
        let sends = ledger::read_twilio(&emulator).await?;
        against(&self.bench.pool, "whatsapp", &sends, DateTime::UNIX_EPOCH).await
    }

    /// Stops everything; the exit code of a run in which everything holds, or not.
    pub(super) async fn stop(self, holds: bool) -> anyhow::Result<ExitCode> {
        self.bench.stop().await?;
        if !holds {
            return Ok(ExitCode::FAILURE);
        }
        std::fs::remove_dir_all(self.logs)?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Others {
    /// Nobody begins to write any more; what became of all that was written.
    pub(super) async fn stop(self) -> anyhow::Result<Written> {
        let [forms, whatsapp] = self.0;
        let (forms, whatsapp) = tokio::join!(forms.stop(), whatsapp.stop());
        let (mut all, whatsapp) = (forms?, whatsapp?);
        all.add_all(whatsapp);
        Ok(all)
    }
}

/// `p50 …, p95 …, p99 …` of sorted seconds.
pub(super) fn shown(waits: &[f64]) -> String {
    let at = |share| milliseconds(quantile(waits, share));
    format!("p50 {}, p95 {}, p99 {}", at(0.50), at(0.95), at(0.99))
}

/// Seconds as milliseconds; a dash where nothing was measured.
pub(super) fn milliseconds(seconds: Option<f64>) -> String {
    seconds.map_or_else(|| "—".to_owned(), |seconds| format!("{:.0} ms", seconds * 1_000.0))
}
