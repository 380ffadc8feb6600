//! `fte bench soak`: a steady load for a long time; memory, file handles and tables that
//! work passes through must be flat after the first third.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

use super::fleet::{CHANNELS, Fleet, Rates, shown};
use super::judged::Soak;
use crate::bench::judge::{self, Thirds, Verdict};
use crate::bench::process::{open_files, resident_mb};
use crate::output::line;

const SAMPLE: Duration = Duration::from_secs(5);

/// Longest wait for everything to be answered at the end.
const REST: Duration = Duration::from_secs(60);

/// What each kind of series may move by beside the fifth: an allocator's arena, a pool's
/// connections, the work of a moment.
const SLACK_MB: f64 = 8.0;
const SLACK_FILES: f64 = 16.0;
const SLACK_ROWS: f64 = 200.0;

/// What was measured over time: name and slack, then the values.
#[derive(Default)]
struct Series(BTreeMap<String, (f64, Vec<f64>)>);

impl Series {
    fn add(&mut self, name: String, slack: f64, value: f64) {
        self.0.entry(name).or_insert_with(|| (slack, Vec::new())).1.push(value);
    }

    fn judge(&self) -> Vec<Verdict> {
        let verdict = |(name, (slack, values)): (&String, &(f64, Vec<f64>))| {
            let thirds = Thirds::of(values);
            let measured = thirds.map_or_else(
                || "less than three samples".to_owned(),
                |Thirds([first, second, last])| format!("{first:.0}, {second:.0}, {last:.0}"),
            );
            Verdict {
                what: name.clone(),
                measured,
                limit: format!("3rd ≤ 1.2 × 2nd + {slack:.0}"),
                holds: thirds.is_some_and(|thirds| thirds.are_flat(*slack)),
            }
        };
        self.0.iter().map(verdict).collect()
    }
}

impl Soak {
    pub(super) async fn run(&self) -> anyhow::Result<ExitCode> {
        let mut fleet = Fleet::start(self.bus, &self.knowledge, 1).await?;
        let rates = Rates { forms: self.rate, whatsapp: self.whatsapp };
        line(format!(
            "{} forms and {} WhatsApp messages a second for {:?}; a sample every {SAMPLE:?}, medians \
             of each third",
            rates.forms, rates.whatsapp, self.duration
        ))?;
        let from = chassis::clock::now();
        let others = fleet.others(rates)?;
        let mut series = Series::default();
        let mut tick = interval(SAMPLE);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        tick.tick().await;
        let end = Instant::now() + self.duration;
        while Instant::now() < end {
            tick.tick().await;
            sample(&fleet, &mut series).await?;
        }
        let to = chassis::clock::now();
        let written = others.stop().await?;
        let rests = fleet.at_rest(from, written.confirmed, REST).await?;
        for channel in CHANNELS {
            let waits = fleet.waits(channel, from, to).await?;
            line(format!("{channel:<9} {:>6} × {}", waits.len(), shown(&waits)))?;
        }
        let mut verdicts = series.judge();
        verdicts.push(Verdict::none("messages that were not taken", written.unconfirmed()));
        verdicts.push(Verdict::none("work left over", u64::from(!rests)));
        let holds = judge::print(&verdicts)?;
        fleet.stop(holds).await
    }
}

async fn sample(fleet: &Fleet, series: &mut Series) -> anyhow::Result<()> {
    for member in &fleet.bench.members {
        let (name, pid) = (member.name(), member.pid());
        let resident = resident_mb(pid).unwrap_or(f64::INFINITY);
        series.add(format!("{name}: MB"), SLACK_MB, resident);
        let files = open_files(pid).unwrap_or(f64::INFINITY);
        series.add(format!("{name}: open files"), SLACK_FILES, files);
    }
    let waiting = store::progress::waiting(&fleet.bench.pool).await?;
    let lag = fleet.bench.bus().await?.lag().await?;
    let lag: i64 = lag.iter().map(bus::Lag::records).sum();
    for (name, rows) in [
        ("outbox: rows", waiting.outbox),
        ("deliveries that wait: rows", waiting.deliveries),
        ("turns that wait: rows", waiting.due_turns),
        ("log: records not finished", lag),
    ] {
        series.add(name.to_owned(), SLACK_ROWS, rows as f64);
    }
    Ok(())
}
