//! `fte chaos`: the whole system under a load and faults that follow from a seed, and at
//! the end three truths that must agree.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use chassis::settings::BusKind;
use clap::Args;
use tokio::time::Instant;

use crate::chaos::compare::{self, Judged, Truths};
use crate::chaos::faults::{self, Happened};
use crate::chaos::load;
use crate::chaos::schedule::{self, Planned};
use crate::chaos::system::System;
use crate::chaos::{collect, ledger, plan};
use crate::output::{line, table};

/// Breaches shown of each promise.
const SHOWN: usize = 10;

/// Prove the guarantees under faults
///
/// Starts PostgreSQL, the log, every service as its own process and the providers' emulators, all
/// of this run only. Customers write on three channels while services, database and broker are
/// killed, frozen and restarted and the providers misbehave. Then what customers sent, what the
/// tables hold and what the providers received are compared. Load and faults are a function of the
/// seed. Exit 1 on a breach; the run's folder is kept then.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Load and faults follow from it
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Customers who write
    #[arg(long, default_value_t = 60)]
    conversations: usize,
    /// Faults; one every five seconds when absent
    #[arg(long)]
    faults: Option<usize>,
    /// For how long customers begin to write; four a second when absent
    #[arg(long, value_parser = humantime::parse_duration)]
    span: Option<Duration>,
    /// Which log to use
    #[arg(long, default_value = "kafka")]
    bus: BusKind,
    /// Longest wait for everything to be at rest
    #[arg(long, default_value = "5m", value_parser = humantime::parse_duration)]
    rest: Duration,
    /// Where the run's data and logs go; a temporary folder when absent
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// Keep the folder although every promise holds
    #[arg(long)]
    keep: bool,
    /// Print load and schedule, and do nothing
    #[arg(long)]
    dry_run: bool,
}

impl Arguments {
    fn span(&self) -> Duration {
        let quarters = u32::try_from(self.conversations).unwrap_or(u32::MAX);
        let paced = Duration::from_millis(250).saturating_mul(quarters);
        self.span.unwrap_or(paced.max(Duration::from_secs(20)))
    }

    fn schedule(&self) -> Vec<Planned> {
        let each_five_seconds = usize::try_from(self.span().as_secs() / 5).unwrap_or(usize::MAX);
        let count = self.faults.unwrap_or(each_five_seconds);
        schedule::faults(self.seed, count, self.span(), self.bus == BusKind::Kafka)
    }
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let planned = arguments.schedule();
    let bus = if arguments.bus == BusKind::Kafka { "Kafka" } else { "PostgreSQL" };
    line(format!(
        "seed {}, {} conversations in {:?}, {} faults, log in {bus}",
        arguments.seed,
        arguments.conversations,
        arguments.span(),
        planned.len()
    ))?;
    for Planned { at, fault } in &planned {
        line(format!("  {:>7.1} s  {fault}", at.as_secs_f64()))?;
    }
    if arguments.dry_run {
        return Ok(ExitCode::SUCCESS);
    }
    let folder = folder(arguments.folder.as_deref())?;
    let outcome = Box::pin(run_in(&arguments, planned, &folder)).await;
    let holds = matches!(outcome, Ok(true));
    if holds && !arguments.keep && arguments.folder.is_none() {
        drop(fs::remove_dir_all(&folder));
    } else {
        line(format!("data and logs of the run: {}", folder.display()))?;
    }
    outcome.map(|holds| if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn folder(asked: Option<&Path>) -> anyhow::Result<PathBuf> {
    Ok(match asked {
        Some(folder) => {
            fs::create_dir_all(folder)?;
            folder.canonicalize()?
        }
        None => tempfile::Builder::new().prefix("fte-chaos-").tempdir()?.keep(),
    })
}

async fn run_in(
    arguments: &Arguments,
    planned: Vec<Planned>,
    folder: &Path,
) -> anyhow::Result<bool> {
    let began = Instant::now();
    let system = Arc::new(System::start(folder, arguments.bus).await?);
    line(format!("ready after {:.1} s", began.elapsed().as_secs_f64()))?;
    let start = Instant::now();
    let conversations =
        plan::conversations(arguments.seed, arguments.conversations, arguments.span());
    let (told, happened) = tokio::join!(
        load::run(Arc::clone(&system), start, conversations),
        faults::run(Arc::clone(&system), start, planned),
    );
    let told = told?;
    line(format!("load and faults ended after {:.1} s", start.elapsed().as_secs_f64()))?;
    let resting = Instant::now();
    let truths = collect::at_rest(&system, told, &happened, arguments.rest).await?;
    line(format!("at rest after {:.1} s more", resting.elapsed().as_secs_f64()))?;
    let instants: Vec<_> = happened.iter().map(|happened| happened.at).collect();
    let recoveries = collect::recoveries(&system, &instants).await?;
    let judged = compare::judge(&truths);
    report(&truths, &judged, &happened, &recoveries)?;
    let system = Arc::into_inner(system).context("somebody still uses the system")?;
    system.stop().await?;
    let did_all = truths.told.iter().all(|told| told.failed.is_empty());
    Ok(did_all && judged.iter().all(|judged| judged.breaches.is_empty()))
}

fn report(
    truths: &Truths,
    judged: &[Judged],
    happened: &[Happened],
    recoveries: &[Duration],
) -> anyhow::Result<()> {
    counts(truths, happened)?;
    let mut rows = table(["promise", "checked", "breaches"]);
    for judged in judged {
        let breaches = judged.breaches.len();
        rows.add_row([judged.promise, &judged.checked.to_string(), &breaches.to_string()]);
    }
    line(rows.to_string())?;
    for judged in judged {
        for breach in judged.breaches.iter().take(SHOWN) {
            line(format!("BREACH  {}: {breach}", judged.promise))?;
        }
    }
    for failed in truths.told.iter().flat_map(|told| &told.failed) {
        line(format!("NOT DONE  {failed}"))?;
    }
    for happened in happened {
        if let Some(failed) = &happened.failed {
            line(format!("no fault  {}: {failed}", happened.fault))?;
        }
    }
    for doubt in compare::doubts(truths) {
        let cause = compare::cause(truths, doubt).unwrap_or("nothing explains it");
        line(format!("doubt for a person  {}; {cause}", ledger::doubt(doubt)))?;
    }
    let at = |percent: usize| {
        recoveries.get((recoveries.len() * percent / 100).min(recoveries.len().saturating_sub(1)))
    };
    if let (Some(p50), Some(p95)) = (at(50), at(95)) {
        line(format!(
            "from fault to flow: p50 {:.1} s, p95 {:.1} s of {} faults",
            p50.as_secs_f64(),
            p95.as_secs_f64(),
            recoveries.len()
        ))?;
    }
    Ok(())
}

fn counts(truths: &Truths, happened: &[Happened]) -> anyhow::Result<()> {
    let sent = || truths.told.iter().flat_map(|told| &told.sent);
    let again: usize = sent().map(|sent| sent.tries.saturating_sub(1)).sum();
    let takeovers: usize = truths.told.iter().map(|told| told.taken.len()).sum();
    let sends: usize = truths.outlets.iter().map(|outlet| outlet.sends.len()).sum();
    line(format!(
        "{} conversations, {} messages ({} unconfirmed, {again} tries again), {takeovers} takeovers, \
         {} faults; {} stored, {sends} sends at providers, {} doubts",
        truths.told.len(),
        sent().count(),
        sent().filter(|sent| !sent.is_confirmed).count(),
        happened.iter().filter(|happened| happened.failed.is_none()).count(),
        truths.stored.len(),
        compare::doubts(truths).count()
    ))?;
    Ok(())
}
