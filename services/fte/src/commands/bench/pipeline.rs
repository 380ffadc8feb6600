//! `fte bench pipeline`: the parts in order, and the lines they print.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use tempfile::TempDir;

use super::Pipeline;
use super::stage::{
    Bench, Knowledge, Throughput, acknowledged, percentiles, print_table, start_bare,
};
use crate::bench::load::{LoadReport, Pace, Target};
use crate::bench::{bare, load, statements, tickets};
use crate::output::line;
use crate::up::service::Service;

/// Where the web form is sent.
pub(super) const FORM: &str = "/support/submit";

/// Load before a measured part, so that caches and pools are warm.
const WARM_UP: Duration = Duration::from_secs(2);

/// Numbers of tickets set aside for each part.
const PART: u64 = 100_000_000;

impl Pipeline {
    pub(super) async fn run(&self) -> anyhow::Result<()> {
        if cfg!(debug_assertions) {
            line("note: this is a debug build; its figures mean little")?;
        }
        let cores = std::thread::available_parallelism()?;
        line(format!(
            "{cores} cores, shared by broker, database, services and generator; FTE_RATE_LIMITS=off"
        ))?;
        let folder = tempfile::tempdir()?;
        self.acknowledgement(&folder).await?;
        self.flow(&folder).await
    }

    /// The web form alone, the bare handler alone, the broker alone.
    async fn acknowledgement(&self, folder: &TempDir) -> anyhow::Result<()> {
        let bench = Bench::start(folder, Some(Knowledge::local(&self.knowledge)?)).await?;
        let ingress = bench.surroundings.start(Service::WebformIngress).await?;
        ingress.ready().await?;
        let submit = self.closed(submissions(ingress.program.address, FORM)).await?;
        ingress.stop().await?;
        let bare = self.bare_handler(&bench).await?;
        let produce =
            bare::produce_rate(bench.bus().await?.publisher(), self.acknowledge_duration).await?;
        let share = submit.accepted_per_s() / bare.accepted_per_s() * 100.0;
        line(format!("\nacknowledgement, {} connections, closed loop", self.connections))?;
        line(format!("  submit          {}", acknowledged(&submit)))?;
        line(format!("  bare handler    {}", acknowledged(&bare)))?;
        line(format!("  broker alone    {produce:>8.0} records/s"))?;
        line(format!("  submit / bare   {share:>8.0} %   (target ≥ 70 %, submit p99 ≤ 20 ms)"))?;
        bench.stop().await
    }

    async fn closed(&self, target: Target) -> anyhow::Result<LoadReport> {
        load::run(target, Pace::Closed, self.connections, WARM_UP).await?;
        load::run(target, Pace::Closed, self.connections, self.acknowledge_duration).await
    }

    async fn bare_handler(&self, bench: &Bench) -> anyhow::Result<LoadReport> {
        let (address, mut child) = start_bare(bench).await?;
        let report = self.closed(submissions(address, bare::PATH)).await;
        child.kill().await?;
        report
    }

    /// All services: memory at rest, latency, throughput, SQL per ticket.
    async fn flow(&self, folder: &TempDir) -> anyhow::Result<()> {
        let mut bench = Bench::start(folder, Some(Knowledge::local(&self.knowledge)?)).await?;
        bench.start_services(&[]).await?;
        let form = bench.member(Service::WebformIngress)?;
        let target = submissions(form.program.address, FORM);
        bench.print_memory("resident at rest (target ≤ 40 MB each)")?;
        let from = chassis::clock::now();
        let report = load::run(target, Pace::Open(50), 8, WARM_UP * 2).await?;
        bench.drained(from, report.accepted).await?;

        let from = chassis::clock::now();
        let latency = Target { first: PART, ..target };
        let report =
            load::run(latency, Pace::Open(self.latency_rate), 16, self.latency_duration).await?;
        bench.drained(from, report.accepted).await?;
        line(format!("\nlatency, open loop at {} tickets/s", self.latency_rate))?;
        line(format!("  submit to acknowledgement   {}", percentiles(&report.latency_us)))?;
        let answered = bench.answer_latency(from).await?;
        line(format!(
            "  submit to stored answer     {}   (target p95 ≤ 60 ms)",
            percentiles(&answered)
        ))?;

        let load = Throughput {
            rate: self.rate,
            duration: self.duration,
            connections: self.connections,
            target_per_s: 500,
        };
        bench.throughput(load, Target { first: 2 * PART, ..target }).await?;
        bench.print_memory("resident after the load")?;
        self.statements(&bench, Target { first: 3 * PART, ..target }).await?;
        bench.stop().await
    }

    /// SQL round trips and commits per ticket, at the latency part's rate.
    async fn statements(&self, bench: &Bench, target: Target) -> anyhow::Result<()> {
        let url = &bench.surroundings.database_url;
        let span = Duration::from_secs(10);
        statements::log_statements(url, true).await?;
        let log = {
            let postgres = bench.backing.postgres.lock().await;
            postgres.as_ref().context("the database is away")?.log()
        };
        let idle_from = std::fs::metadata(&log)?.len();
        tokio::time::sleep(span).await;
        let busy_from = std::fs::metadata(&log)?.len();
        let (from, commits) = (chassis::clock::now(), store::progress::commits(&bench.pool).await?);
        let report = load::run(target, Pace::Open(self.latency_rate), 16, span).await?;
        bench.drained(from, report.accepted).await?;
        statements::log_statements(url, false).await?;
        let commits = store::progress::commits(&bench.pool).await? - commits;
        let all = statements::read_since(&log, idle_from)?;
        let (idle, busy) = all.split_at((busy_from - idle_from) as usize);
        let idle = statements::count(idle);
        let per_ticket: BTreeMap<_, _> = statements::count(busy)
            .into_iter()
            .filter(|(name, _)| Service::named(name).is_some())
            .map(|(name, count)| {
                let at_rest = idle.get(&name).copied().unwrap_or_default();
                let own = count.saturating_sub(at_rest) as f64 / report.accepted.max(1) as f64;
                (name, own)
            })
            .collect();
        line(format!(
            "\nSQL at {} tickets/s: round trips per ticket, idle polling taken off",
            self.latency_rate
        ))?;
        print_table(&per_ticket, "")?;
        line(format!(
            "  commits of all services per ticket {:.2}",
            commits as f64 / report.accepted.max(1) as f64
        ))?;
        Ok(())
    }
}

pub(super) fn submissions(address: SocketAddr, path: &'static str) -> Target {
    Target { address, path, body: tickets::form, signature: None, first: 0 }
}
