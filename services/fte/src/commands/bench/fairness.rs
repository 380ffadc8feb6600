//! `fte bench fairness`: how long others wait beside customers, conversations, replays and
//! outlets that take more than their share.

mod disturb;

use std::process::ExitCode;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::sleep;

use super::fleet::{CHANNELS, Fleet, Rates, milliseconds, shown};
use super::judged::Fairness;
use crate::bench::judge::{self, MOST_DELAY, Verdict, is_fair, quantile};
use crate::output::line;
use disturb::Disturber;

/// Load before the measurement, so that caches and pools are warm.
const WARM_UP: Duration = Duration::from_secs(4);

/// Longest wait for what a disturber left behind; the next part begins then.
const REST: Duration = Duration::from_secs(40);

/// The p95 of others on each way, in seconds.
type Waits = [Option<f64>; CHANNELS.len()];

impl Fairness {
    pub(super) async fn run(&self) -> anyhow::Result<ExitCode> {
        let mut fleet = Fleet::start(self.bus, &self.knowledge, 1).await?;
        let rates = Rates { forms: self.forms, whatsapp: self.whatsapp };
        line(format!(
            "others write {} forms and {} WhatsApp messages a second, {:?} each part; their time \
             runs from a message to its reply at the outlet",
            rates.forms, rates.whatsapp, self.span
        ))?;
        self.part(&mut fleet, rates, "warming up", None, WARM_UP).await?;
        let without = self.part(&mut fleet, rates, "no disturber", None, self.span).await?;
        let mut verdicts = Vec::new();
        for disturber in self.disturbers() {
            let name = disturber.name();
            let span = self.span.max(disturber.span());
            let with = self.part(&mut fleet, rates, &name, Some(disturber), span).await?;
            for ((channel, without), with) in CHANNELS.iter().zip(without).zip(with) {
                if disturber == Disturber::SlowOutlet && *channel == "whatsapp" {
                    continue;
                }
                verdicts.push(verdict(&format!("{name}: {channel}"), without, with));
            }
        }
        let holds = judge::print(&verdicts)?;
        fleet.stop(holds).await
    }

    fn disturbers(&self) -> [Disturber; 4] {
        [
            Disturber::Poison,
            Disturber::Replay { letters: self.letters },
            Disturber::SlowOutlet,
            // Last: it leaves the most behind.
            Disturber::OneCustomer { messages: self.messages, per_second: self.per_second },
        ]
    }

    /// Others write, beside a disturber or alone; their p95 on each way.
    async fn part(
        &self,
        fleet: &mut Fleet,
        rates: Rates,
        name: &str,
        disturber: Option<Disturber>,
        span: Duration,
    ) -> anyhow::Result<Waits> {
        let from = chassis::clock::now();
        let disturbing = match disturber {
            Some(disturber) => Some(disturber.begin(fleet, span).await?),
            None => None,
        };
        let measured_from = chassis::clock::now();
        let others = fleet.others(rates)?;
        sleep(span).await;
        let to = chassis::clock::now();
        let written = others.stop().await?;
        let disturbed = match disturbing {
            Some(disturbing) => disturbing.end(fleet).await?,
            None => 0,
        };
        anyhow::ensure!(written.unconfirmed() == 0, "{} were not taken", written.unconfirmed());
        let stored = written.confirmed + disturbed;
        if !fleet.at_rest(from, stored, REST).await? {
            line(format!("{name}: not at rest after {REST:?} more"))?;
        }
        self.measured(fleet, name, measured_from, to).await
    }

    async fn measured(
        &self,
        fleet: &Fleet,
        name: &str,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> anyhow::Result<Waits> {
        let mut all = [None; CHANNELS.len()];
        for (channel, p95) in CHANNELS.iter().zip(&mut all) {
            let waits = fleet.waits(channel, from, to).await?;
            line(format!("{name:<44} {channel:<9} {:>5} × {}", waits.len(), shown(&waits)))?;
            *p95 = quantile(&waits, 0.95);
        }
        Ok(all)
    }
}

fn verdict(what: &str, without: Option<f64>, with: Option<f64>) -> Verdict {
    let (before, beside) = (milliseconds(without), milliseconds(with));
    Verdict {
        what: what.to_owned(),
        measured: format!("p95 {before} without, {beside} with"),
        limit: format!("≤ {MOST_DELAY} ×"),
        holds: is_fair(without, with),
    }
}
