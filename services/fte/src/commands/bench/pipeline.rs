//! `fte bench pipeline`: the parts in order, and the lines they print.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use hdrhistogram::Histogram;
use servers::{Kafka, Postgres, PostgresOptions};
use sqlx::PgPool;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::Instant;

use super::Pipeline;
use crate::bench::fleet::{Member, Surroundings, free_address};
use crate::bench::load::{LoadReport, Pace, Target};
use crate::bench::process::{CpuTimes, resident_mb};
use crate::bench::{bare, load, statements, tickets};
use crate::commands::{kb, migrate};
use crate::output::line;
use crate::topics;
use crate::up::service::Service;

/// Load before a measured part, so that caches and pools are warm.
const WARM_UP: Duration = Duration::from_secs(2);

/// Numbers of tickets set aside for each part.
const PART: u64 = 100_000_000;

/// Longest wait for the pipeline to finish what it accepted.
const DRAIN: Duration = Duration::from_secs(120);

/// How often the queue is looked at.
const SAMPLE: Duration = Duration::from_secs(5);

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
        let bench = Bench::start(folder, Some(&self.knowledge)).await?;
        let mut ingress = Member::start("webform-ingress", &bench.surroundings)?;
        ingress.ready().await?;
        let submit = self.closed(Target {
            address: ingress.address,
            path: "/support/submit",
            body: tickets::form,
            signature: None,
            first: 0,
        });
        let submit = submit.await?;
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
        let mut bench = Bench::start(folder, Some(&self.knowledge)).await?;
        // Tickets of the web form only; without an account the other ingress does not start.
        let measured = |service: &Service| *service != Service::WhatsappIngress;
        for service in Service::ALL.into_iter().filter(measured) {
            bench.members.push(Member::start(service.name(), &bench.surroundings)?);
        }
        for member in &mut bench.members {
            member.ready().await?;
        }
        let target = Target {
            address: bench.members.first().context("no services")?.address,
            path: "/support/submit",
            body: tickets::form,
            signature: None,
            first: 0,
        };
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

        self.throughput(&bench, Target { first: 2 * PART, ..target }).await?;
        bench.print_memory("resident after the load")?;
        self.statements(&bench, Target { first: 3 * PART, ..target }).await?;
        bench.stop().await
    }

    async fn throughput(&self, bench: &Bench, target: Target) -> anyhow::Result<()> {
        line(format!(
            "\nthroughput, open loop at {} tickets/s for {:?}",
            self.rate, self.duration
        ))?;
        let from = chassis::clock::now();
        let start = Instant::now();
        let cpu = CpuTimes::read(&bench.roots());
        let running = load::run(target, Pace::Open(self.rate), self.connections, self.duration);
        tokio::pin!(running);
        let mut tick = tokio::time::interval_at(start + SAMPLE, SAMPLE);
        let report = loop {
            tokio::select! {
                report = &mut running => break report?,
                _ = tick.tick() => {
                    let progress = store::progress::since(&bench.pool, from).await?;
                    let waiting = progress.stored - progress.answered;
                    line(format!(
                        "  {:>3} s   stored {:>7}   answered {:>7}   stored and waiting {waiting:>5}",
                        start.elapsed().as_secs(), progress.stored, progress.answered
                    ))?;
                }
            }
        };
        let elapsed = start.elapsed().as_secs_f64();
        let used = CpuTimes::read(&bench.roots()).percent_since(&cpu, elapsed);
        let at_end = store::progress::since(&bench.pool, from).await?;
        let drained = Instant::now();
        bench.drained(from, report.accepted).await?;
        line(format!("  accepted        {}", acknowledged(&report)))?;
        line(format!("  refused         {:>8}", report.refused))?;
        line(format!(
            "  answered        {:>8.0}/s while the load ran   (target ≥ 500)",
            at_end.answered as f64 / elapsed
        ))?;
        line(format!(
            "  queue at end    {:>8} tickets, empty after {:.1} s",
            report.accepted as i64 - at_end.answered,
            drained.elapsed().as_secs_f64()
        ))?;
        line(format!(
            "  submit to stored answer     {}",
            percentiles(&bench.answer_latency(from).await?)
        ))?;
        line("  CPU, percent of one core")?;
        print_table(&used, "%")
    }

    /// SQL round trips and commits per ticket, at the latency part's rate.
    async fn statements(&self, bench: &Bench, target: Target) -> anyhow::Result<()> {
        let url = &bench.surroundings.database_url;
        let span = Duration::from_secs(10);
        statements::log_statements(url, true).await?;
        let log = bench.postgres.log();
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

fn submissions(address: SocketAddr, path: &'static str) -> Target {
    Target { address, path, body: tickets::form, signature: None, first: 0 }
}

/// The bare handler, as a process of its own.
pub(super) async fn start_bare(bench: &Bench) -> anyhow::Result<(SocketAddr, Child)> {
    let address = free_address()?;
    let child = Command::new(std::env::current_exe()?)
        .args(["bench", "bare-handler"])
        .env("FTE_LISTEN", address.to_string())
        .env("DATABASE_URL", &bench.surroundings.database_url)
        .env("FTE_BUS", "kafka")
        .env("KAFKA_BOOTSTRAP_SERVERS", &bench.surroundings.bootstrap_servers)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let up = Instant::now() + Duration::from_secs(10);
    while tokio::net::TcpStream::connect(address).await.is_err() {
        anyhow::ensure!(Instant::now() < up, "the bare handler does not listen");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok((address, child))
}

/// Servers and services of one part.
pub(super) struct Bench {
    postgres: Postgres,
    kafka: Kafka,
    pool: PgPool,
    pub(super) surroundings: Surroundings,
    members: Vec<Member>,
}

impl Bench {
    /// Durable servers with tables and topics in place, and articles if given.
    pub(super) async fn start(folder: &TempDir, knowledge: Option<&Path>) -> anyhow::Result<Self> {
        let (postgres, kafka) = tokio::try_join!(
            Postgres::start(PostgresOptions { durable: true, ..PostgresOptions::default() }),
            Kafka::temporary(),
        )?;
        let surroundings = Surroundings {
            database_url: postgres.url("postgres"),
            bootstrap_servers: kafka.bootstrap_servers(),
            log_folder: folder.path().to_owned(),
        };
        let pool = PgPool::connect(&surroundings.database_url).await?;
        let bench = Self { postgres, kafka, pool, surroundings, members: Vec::new() };
        migrate::apply(&bench.pool).await?;
        bench.bus().await?.apply_topics(&topics::read(None, topics::Profile::Local)?).await?;
        if let Some(knowledge) = knowledge {
            kb::load(&bench.pool, knowledge).await?;
        }
        Ok(bench)
    }

    async fn bus(&self) -> anyhow::Result<bus::Bus> {
        let kafka = bus::KafkaConfig {
            bootstrap_servers: self.surroundings.bootstrap_servers.clone(),
            ..bus::KafkaConfig::default()
        };
        Ok(bus::Bus::connect(bus::BusConfig::Kafka(kafka), self.pool.clone()).await?)
    }

    /// Every process by name, for readings.
    fn roots(&self) -> Vec<(String, u32)> {
        let services = self.members.iter().map(|member| (member.name.to_owned(), member.pid()));
        let others = [
            ("broker".to_owned(), self.kafka.pid()),
            ("database".to_owned(), self.postgres.pid()),
            ("generator".to_owned(), std::process::id()),
        ];
        services.chain(others).collect()
    }

    fn print_memory(&self, title: &str) -> anyhow::Result<()> {
        let resident = self
            .members
            .iter()
            .filter_map(|member| Some((member.name.to_owned(), resident_mb(member.pid())?)))
            .collect();
        line(format!("\n{title}"))?;
        print_table(&resident, "MB")
    }

    /// Waits until everything accepted since then is answered.
    async fn drained(&self, from: DateTime<Utc>, accepted: u64) -> anyhow::Result<()> {
        let deadline = Instant::now() + DRAIN;
        loop {
            let progress = store::progress::since(&self.pool, from).await?;
            let is_done =
                progress.stored >= accepted as i64 && progress.answered >= progress.stored;
            if is_done {
                return Ok(());
            }
            anyhow::ensure!(
                Instant::now() < deadline,
                "after {DRAIN:?} of {accepted} accepted tickets {} are stored and {} answered",
                progress.stored,
                progress.answered
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn answer_latency(&self, from: DateTime<Utc>) -> anyhow::Result<Histogram<u64>> {
        let mut histogram = Histogram::new_with_bounds(1, 600_000_000, 3)?;
        let latencies =
            store::progress::answer_latencies_us(&self.pool, from, chassis::clock::now()).await?;
        for latency in latencies {
            histogram.saturating_record(u64::try_from(latency).unwrap_or_default());
        }
        Ok(histogram)
    }

    pub(super) async fn stop(self) -> anyhow::Result<()> {
        for member in self.members {
            member.stop().await?;
        }
        self.pool.close().await;
        self.kafka.stop().await?;
        self.postgres.stop().await?;
        Ok(())
    }
}

pub(super) fn acknowledged(report: &LoadReport) -> String {
    format!("{:>8.0}/s   {}", report.accepted_per_s(), percentiles(&report.latency_us))
}

pub(super) fn percentiles(histogram: &Histogram<u64>) -> String {
    let ms = |quantile: f64| histogram.value_at_quantile(quantile) as f64 / 1_000.0;
    format!("p50 {:.1} ms, p95 {:.1} ms, p99 {:.1} ms", ms(0.50), ms(0.95), ms(0.99))
}

fn print_table(rows: &BTreeMap<String, f64>, unit: &str) -> anyhow::Result<()> {
    for (name, value) in rows {
        line(format!("    {name:<20} {value:>8.2} {unit}"))?;
    }
    Ok(())
}
