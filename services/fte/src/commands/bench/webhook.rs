//! `fte bench webhook`: what the signature check and the durable produce of WhatsApp's
//! webhook cost, beside a handler that does no more than parse, HMAC and produce.

use std::time::Duration;

use emulators::twilio::Settings as Account;

use super::Webhook;
use super::stage::{Bench, acknowledged, percentiles, start_bare};
use crate::bench::load::{LoadReport, Pace, Target};
use crate::bench::process::resident_mb;
use crate::bench::{calls, load};
use crate::output::line;
use crate::up::service::Service;

/// Load before a measured part, so that caches and pools are warm.
const WARM_UP: Duration = Duration::from_secs(1);

/// The connections of each part; the second one has the targets.
const CONNECTIONS: [usize; 3] = [16, 64, 256];
const TARGET_CONNECTIONS: usize = 64;

/// Numbers of messages set aside for each part.
const PART: u64 = 100_000_000;

impl Webhook {
    pub(super) async fn run(&self) -> anyhow::Result<()> {
        if cfg!(debug_assertions) {
            line("note: this is a debug build; its figures mean little")?;
        }
        let cores = std::thread::available_parallelism()?;
        line(format!("{cores} cores, shared by broker, handler and generator"))?;
        let folder = tempfile::tempdir()?;
        let bench = Bench::start(&folder, None).await?;
        let bare = self.bare(&bench).await?;
        self.ingress(&bench, &bare).await?;
        bench.stop().await
    }

    /// Parse, HMAC, produce: what no handler can do without.
    async fn bare(&self, bench: &Bench) -> anyhow::Result<Vec<LoadReport>> {
        let (address, mut child) = start_bare(bench).await?;
        let target = target(address);
        let mut reports = Vec::new();
        for connections in CONNECTIONS {
            reports.push(self.closed(target, connections).await?);
        }
        child.kill().await?;
        Ok(reports)
    }

    async fn ingress(&self, bench: &Bench, bare: &[LoadReport]) -> anyhow::Result<()> {
        let account = Account::default();
        let variables = [
            ("TWILIO_ACCOUNT_SID", account.account_sid.as_str()),
            ("TWILIO_AUTH_TOKEN", &account.auth_token),
            ("TWILIO_WHATSAPP_FROM", &account.sender),
            ("PUBLIC_BASE_URL", calls::ORIGIN),
            // Nothing listens there: the sweep finds nobody, and webhooks do not care.
            ("TWILIO_API_BASE_URL", "http://127.0.0.1:9"),
            ("FTE_ALLOW_LOOPBACK", "true"),
        ];
        let service = Service::WhatsappIngress;
        let member = bench.surroundings.start_with(service, &variables).await?;
        member.ready().await?;
        let target = target(member.program.address);
        line("\nacknowledged WhatsApp webhooks, closed loop")?;
        let mut at_target = 0.0;
        for (connections, bare) in CONNECTIONS.into_iter().zip(bare) {
            let report = self.closed(target, connections).await?;
            let share = report.accepted_per_s() / bare.accepted_per_s().max(1.0) * 100.0;
            let aim = if connections == TARGET_CONNECTIONS { "   (target ≥ 80 %)" } else { "" };
            line(format!("  {connections} connections"))?;
            line(format!("    ingress         {}", acknowledged(&report)))?;
            line(format!("    bare handler    {}", acknowledged(bare)))?;
            line(format!("    ingress / bare  {share:>8.0} %{aim}"))?;
            line(format!("    refused         {:>8}", report.refused))?;
            if connections == TARGET_CONNECTIONS {
                at_target = report.accepted_per_s();
            }
        }
        let memory = resident_mb(member.pid()).unwrap_or_default();
        let half = (at_target / 2.0) as u32;
        let pace = Pace::Open(half.max(1));
        let report =
            load::run(target.at(9 * PART), pace, TARGET_CONNECTIONS, self.duration).await?;
        line(format!("\nlatency, open loop at {half} webhooks/s, half of the above"))?;
        line(format!("  {}   (target p99 ≤ 12 ms)", percentiles(&report.latency_us)))?;
        line(format!("resident under load {memory:.1} MB   (target ≤ 30 MB)"))?;
        line(
            "compared with: one handler in the same run that parses the form, checks the HMAC and \
             publishes one record, acks=all",
        )?;
        member.stop().await
    }

    async fn closed(&self, target: Target, connections: usize) -> anyhow::Result<LoadReport> {
        load::run(target.at(8 * PART), Pace::Closed, connections, WARM_UP.min(self.duration))
            .await?;
        load::run(target.at(connections as u64 * PART), Pace::Closed, connections, self.duration)
            .await
    }
}

fn target(address: std::net::SocketAddr) -> Target {
    let signature = Some(calls::signature as fn(u64) -> String);
    Target { address, path: calls::PATH, body: calls::form, signature, first: 0 }
}
