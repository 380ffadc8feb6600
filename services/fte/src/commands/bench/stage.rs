//! What the benchmarks stand on: servers and services of their own, and readings of them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use agent::Embedder;
use anyhow::Context as _;
use chassis::settings::BusKind;
use chrono::{DateTime, Utc};
use emulators::openai::OpenAiEmulator;
use hdrhistogram::Histogram;
use servers::{Kafka, Postgres};
use sqlx::PgPool;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::Instant;

use crate::backing::Backing;
use crate::bench::load::{self, LoadReport, Pace, Target};
use crate::bench::model_server;
use crate::bench::process::{CpuTimes, resident_mb};
use crate::bench::surroundings::Surroundings;
use crate::commands::{kb, migrate};
use crate::output::line;
use crate::processes::{Member, free_address};
use crate::topics;
use crate::up::service::Service;
use crate::up::told;

/// Longest wait for the pipeline to finish what it accepted.
const DRAIN: Duration = Duration::from_secs(120);

/// How often the queue is looked at.
const SAMPLE: Duration = Duration::from_secs(5);

/// The bare handler, as a process of its own.
pub(super) async fn start_bare(bench: &Bench) -> anyhow::Result<(SocketAddr, Child)> {
    let address = free_address()?;
    let child = Command::new(std::env::current_exe()?)
        .args(["bench", "bare-handler"])
        .env("FTE_LISTEN", address.to_string())
        .envs(bench.surroundings.servers())
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

/// So many tickets a second, how long, and what is hoped for.
#[derive(Clone, Copy)]
pub(super) struct Throughput {
    pub(super) rate: u32,
    pub(super) duration: Duration,
    pub(super) connections: usize,
    pub(super) target_per_s: u32,
}

/// Articles, and what turns them into vectors.
pub(super) struct Knowledge<'a> {
    folder: &'a Path,
    embedder: Embedder,
}

impl<'a> Knowledge<'a> {
    /// With vectors of this machine's model.
    pub(super) fn local(folder: &'a Path) -> anyhow::Result<Self> {
        Ok(Self { folder, embedder: told::embedder()? })
    }

    /// With vectors of a model server.
    pub(super) fn of(server: &OpenAiEmulator, folder: &'a Path) -> anyhow::Result<Self> {
        Ok(Self { folder, embedder: model_server::embedder_of(server)? })
    }
}

/// Servers and services of one part.
pub(super) struct Bench {
    pub(super) backing: Backing,
    pub(super) pool: PgPool,
    pub(super) surroundings: Surroundings,
    pub(super) members: Vec<Member>,
    /// The servers' data; dropped after them.
    _data: TempDir,
}

impl Bench {
    /// Durable servers with tables and topics in place, and articles if given.
    pub(super) async fn start(
        folder: &TempDir,
        knowledge: Option<Knowledge<'_>>,
    ) -> anyhow::Result<Self> {
        Self::start_on(BusKind::Kafka, folder.path(), knowledge).await
    }

    /// The same on this log; the services' own logs go to the folder.
    pub(super) async fn start_on(
        bus: BusKind,
        folder: &Path,
        knowledge: Option<Knowledge<'_>>,
    ) -> anyhow::Result<Self> {
        let data = tempfile::Builder::new().prefix("fte-bench-").tempdir()?;
        let backing = Backing::start(data.path(), bus, true).await?;
        let surroundings = Surroundings {
            database_url: backing.database_url.clone(),
            bootstrap_servers: backing.bootstrap_servers.clone(),
            log_folder: folder.to_owned(),
            variables: Vec::new(),
        };
        let pool = PgPool::connect(&surroundings.database_url).await?;
        let bench = Self { backing, pool, surroundings, members: Vec::new(), _data: data };
        migrate::apply(&bench.pool).await?;
        bench.bus().await?.apply_topics(&topics::read(None, topics::Profile::Local)?).await?;
        if let Some(knowledge) = knowledge {
            kb::load(&bench.pool, &knowledge.embedder, knowledge.folder).await?;
        }
        Ok(bench)
    }

    /// Every service that needs no account elsewhere, the web form first.
    pub(super) async fn start_services(
        &mut self,
        for_agent: &[(&str, &str)],
    ) -> anyhow::Result<()> {
        let has_account =
            |service: &Service| matches!(service, Service::WhatsappIngress | Service::GmailIngress);
        for service in Service::ALL.into_iter().filter(|service| !has_account(service)) {
            let variables = if service == Service::Agent { for_agent } else { &[] };
            self.members.push(self.surroundings.start_with(service, variables).await?);
        }
        self.ready().await
    }

    /// Waits until every service takes work.
    pub(super) async fn ready(&self) -> anyhow::Result<()> {
        for member in &self.members {
            member.ready().await?;
        }
        Ok(())
    }

    /// The first process of a service.
    pub(super) fn member(&self, service: Service) -> anyhow::Result<&Member> {
        let found = self.members.iter().find(|member| member.program.service == service);
        found.with_context(|| format!("{} does not run", service.name()))
    }

    pub(super) async fn bus(&self) -> anyhow::Result<bus::Bus> {
        let config = match self.surroundings.bootstrap_servers.clone() {
            Some(bootstrap_servers) => bus::BusConfig::Kafka(bus::KafkaConfig {
                bootstrap_servers,
                ..bus::KafkaConfig::default()
            }),
            None => bus::BusConfig::Postgres(bus::PostgresConfig::default()),
        };
        Ok(bus::Bus::connect(config, self.pool.clone()).await?)
    }

    /// The load on the web form, and what the rest answers meanwhile.
    pub(super) async fn throughput(
        &self,
        wanted: Throughput,
        target: Target,
    ) -> anyhow::Result<()> {
        line(format!(
            "\nthroughput, open loop at {} tickets/s for {:?}",
            wanted.rate, wanted.duration
        ))?;
        let from = chassis::clock::now();
        let start = Instant::now();
        let cpu = CpuTimes::read(&self.roots().await);
        let running =
            load::run(target, Pace::Open(wanted.rate), wanted.connections, wanted.duration);
        tokio::pin!(running);
        let mut tick = tokio::time::interval_at(start + SAMPLE, SAMPLE);
        let report = loop {
            tokio::select! {
                report = &mut running => break report?,
                _ = tick.tick() => {
                    let progress = store::progress::since(&self.pool, from).await?;
                    let waiting = progress.stored - progress.answered;
                    line(format!(
                        "  {:>3} s   stored {:>7}   answered {:>7}   stored and waiting {waiting:>5}",
                        start.elapsed().as_secs(), progress.stored, progress.answered
                    ))?;
                }
            }
        };
        let elapsed = start.elapsed().as_secs_f64();
        let used = CpuTimes::read(&self.roots().await).percent_since(&cpu, elapsed);
        let at_end = store::progress::since(&self.pool, from).await?;
        let drained = Instant::now();
        self.drained(from, report.accepted).await?;
        line(format!("  accepted        {}", acknowledged(&report)))?;
        line(format!("  refused         {:>8}", report.refused))?;
        line(format!(
            "  answered        {:>8.0}/s while the load ran   (target ≥ {})",
            at_end.answered as f64 / elapsed,
            wanted.target_per_s
        ))?;
        line(format!(
            "  queue at end    {:>8} tickets, empty after {:.1} s",
            report.accepted as i64 - at_end.answered,
            drained.elapsed().as_secs_f64()
        ))?;
        line(format!(
            "  submit to stored answer     {}",
            percentiles(&self.answer_latency(from).await?)
        ))?;
        line("  CPU, percent of one core")?;
        print_table(&used, "%")
    }

    /// Every process by name, for readings.
    pub(super) async fn roots(&self) -> Vec<(String, u32)> {
        let services = self.members.iter().map(|member| (member.name(), member.pid()));
        let broker = self.backing.kafka.lock().await.as_ref().map(Kafka::pid);
        let database = self.backing.postgres.lock().await.as_ref().map(Postgres::pid);
        let others = [("broker", broker), ("database", database)];
        let others = others.into_iter().filter_map(|(name, pid)| Some((name, pid?)));
        let all = services.chain(others).chain([("generator", std::process::id())]);
        all.map(|(name, pid)| (name.to_owned(), pid)).collect()
    }

    pub(super) fn print_memory(&self, title: &str) -> anyhow::Result<()> {
        let resident = self
            .members
            .iter()
            .filter_map(|member| Some((member.name().to_owned(), resident_mb(member.pid())?)))
            .collect();
        line(format!("\n{title}"))?;
        print_table(&resident, "MB")
    }

    /// Waits until everything accepted since then is answered.
    pub(super) async fn drained(&self, from: DateTime<Utc>, accepted: u64) -> anyhow::Result<()> {
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

    pub(super) async fn answer_latency(
        &self,
        from: DateTime<Utc>,
    ) -> anyhow::Result<Histogram<u64>> {
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
        self.backing.stop().await
    }
}

pub(super) fn acknowledged(report: &LoadReport) -> String {
    format!("{:>8.0}/s   {}", report.accepted_per_s(), percentiles(&report.latency_us))
}

pub(super) fn percentiles(histogram: &Histogram<u64>) -> String {
    let ms = |quantile: f64| histogram.value_at_quantile(quantile) as f64 / 1_000.0;
    format!("p50 {:.1} ms, p95 {:.1} ms, p99 {:.1} ms", ms(0.50), ms(0.95), ms(0.99))
}

pub(super) fn print_table(rows: &BTreeMap<String, f64>, unit: &str) -> anyhow::Result<()> {
    for (name, value) in rows {
        line(format!("    {name:<20} {value:>8.2} {unit}"))?;
    }
    Ok(())
}
