//! `fte bench rolling`: three agents and three dispatchers under load, each replaced in
//! turn as Kubernetes does: the new one is ready before the old one gets its SIGTERM.

use std::process::ExitCode;
use std::time::Duration;

use store::verify::{self, Patience};
use tokio::time::{Instant, sleep};

use super::fleet::{CHANNELS, Fleet, Rates, shown};
use super::judged::Rolling;
use crate::bench::judge::{self, Verdict};
use crate::chaos::ledger;
use crate::output::line;
use crate::processes::Member;
use crate::up::service::Service;

const REPLICAS: usize = 3;

/// Load before the measurement, so that caches and pools are warm.
const WARM_UP: Duration = Duration::from_secs(4);

/// Between one replacement and the next.
const BETWEEN: Duration = Duration::from_secs(1);

/// Longest wait for everything to be answered at the end.
const REST: Duration = Duration::from_secs(120);

impl Rolling {
    pub(super) async fn run(&self) -> anyhow::Result<ExitCode> {
        let mut fleet = Fleet::start(self.bus, &self.knowledge, REPLICAS).await?;
        let rates = Rates { forms: self.forms, whatsapp: self.whatsapp };
        line(format!(
            "{REPLICAS} agents and {REPLICAS} dispatchers; {} forms and {} WhatsApp messages a second",
            rates.forms, rates.whatsapp
        ))?;
        let first = chassis::clock::now();
        let others = fleet.others(rates)?;
        sleep(WARM_UP).await;
        let from = chassis::clock::now();
        sleep(self.span).await;
        let between = chassis::clock::now();
        let began = Instant::now();
        let replaced = replace_all(&mut fleet).await?;
        line(format!("{replaced} replaced in {:.1} s", began.elapsed().as_secs_f64()))?;
        let to = chassis::clock::now();
        let written = others.stop().await?;
        let rests = fleet.at_rest(first, written.confirmed, REST).await?;
        for channel in CHANNELS {
            for (name, from, to) in [("before", from, between), ("during", between, to)] {
                let waits = fleet.waits(channel, from, to).await?;
                line(format!("{channel:<9} {name} {:>5} × {}", waits.len(), shown(&waits)))?;
            }
        }
        let stored = store::progress::since(&fleet.bench.pool, first).await?;
        let ledger = fleet.ledger().await?;
        let doubts = ledger.doubts.iter().map(ledger::doubt);
        for text in ledger.breaches.iter().cloned().chain(doubts) {
            line(text)?;
        }
        let breaches = verify::check(&fleet.bench.pool, Patience::NONE).await?;
        let broken: usize = breaches.iter().map(|breach| breach.count).sum();
        line(format!(
            "{} messages confirmed, {} stored; {} WhatsApp deliveries sent once",
            written.confirmed, stored.stored, ledger.matched
        ))?;
        let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let verdicts = [
            Verdict::none("messages that were not taken", written.unconfirmed()),
            Verdict::none("messages lost", written.confirmed.saturating_sub(stored.handled as u64)),
            Verdict::none("work left over", u64::from(!rests)),
            Verdict::none("sends twice, never, or of no delivery", count(ledger.breaches.len())),
            Verdict::none("sends in doubt", count(ledger.doubts.len())),
            Verdict::none("rows that `fte verify` finds", count(broken)),
        ];
        let holds = judge::print(&verdicts)?;
        fleet.stop(holds).await
    }
}

/// Replaces each agent and each dispatcher; says how many.
async fn replace_all(fleet: &mut Fleet) -> anyhow::Result<usize> {
    let bench = &mut fleet.bench;
    let is_replaced =
        |member: &Member| matches!(member.program.service, Service::Agent | Service::Dispatcher);
    let (old, rest): (Vec<_>, Vec<_>) =
        std::mem::take(&mut bench.members).into_iter().partition(is_replaced);
    bench.members = rest;
    let count = old.len();
    for old in old {
        let new = bench.surroundings.start(old.program.service).await?;
        new.ready().await?;
        bench.members.push(new);
        old.stop().await?;
        sleep(BETWEEN).await;
    }
    Ok(count)
}
