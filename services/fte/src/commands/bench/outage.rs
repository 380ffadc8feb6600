//! `fte bench outage`: broker or database away for a while under load, with customers who
//! try again; everything is answered soon after its return.

use std::process::ExitCode;
use std::time::Duration;

use bus::LetterFilter;
use chassis::settings::BusKind;
use chrono::{DateTime, Utc};
use tokio::time::{Instant, sleep};

use super::fleet::{Fleet, milliseconds};
use super::judged::{Outage, Server};
use crate::bench::clients::{Crowd, Writing, Written};
use crate::bench::judge::{self, Verdict, quantile};
use crate::output::line;

/// Load before the outage.
const BEFORE: Duration = Duration::from_secs(10);

/// In which everything is answered after the server's return.
const RECOVERY: Duration = Duration::from_secs(60);

/// How long after the return the measurement goes on.
const LIMIT: Duration = Duration::from_secs(180);

/// How often the tables are looked at.
const LOOK: Duration = Duration::from_millis(250);

/// How often the progress is printed.
const SAY: Duration = Duration::from_secs(5);

/// Tickets of so many seconds of load may be under way when the flow counts as caught up.
const UNDER_WAY: u64 = 2;

/// What the outage came to.
struct Recovery {
    /// From the server's return until no more waited than in two seconds of load.
    caught_up: Option<Duration>,
    /// From the server's return until everything was answered.
    answered: Option<Duration>,
}

impl Outage {
    pub(super) async fn run(&self) -> anyhow::Result<ExitCode> {
        anyhow::ensure!(
            self.of == Server::Database || self.bus == BusKind::Kafka,
            chassis::SettingsError("--of broker needs --bus kafka".to_owned())
        );
        let mut fleet = Fleet::start(self.bus, &self.knowledge, 1).await?;
        let from = chassis::clock::now();
        let crowd = Crowd::begin(Writing {
            target: fleet.forms()?,
            per_second: self.rate,
            most: u64::MAX,
            patience: self.length + LIMIT,
        })?;
        line(format!("{} tickets a second; each is tried again after a 503", self.rate))?;
        sleep(BEFORE).await;
        self.go_away(&fleet, &crowd).await?;
        let returned = Instant::now();
        let caught_up = self.catch_up(&fleet, &crowd, from, returned).await;
        let due = crowd.due();
        let written = crowd.stop().await?;
        let limit = LIMIT.saturating_sub(returned.elapsed());
        let rests = fleet.at_rest(from, written.confirmed, limit).await?;
        let recovery = Recovery { caught_up, answered: rests.then(|| returned.elapsed()) };
        let holds = self.judge(&fleet, from, due, &written, &recovery).await?;
        fleet.stop(holds).await
    }

    /// The server stops, is away, and comes back.
    async fn go_away(&self, fleet: &Fleet, crowd: &Crowd) -> anyhow::Result<()> {
        let away = async {
            drop(line(format!("{:?} stopped, {} tickets so far", self.of, crowd.due())));
            sleep(self.length).await;
        };
        let backing = &fleet.bench.backing;
        match self.of {
            Server::Broker => backing.stop_broker(away).await?,
            Server::Database => backing.stop_database(away).await?,
        }
        line(format!("{:?} is back, {} tickets so far", self.of, crowd.due()))?;
        Ok(())
    }

    /// How long until hardly anything waited; `None` when it took longer than is measured.
    async fn catch_up(
        &self,
        fleet: &Fleet,
        crowd: &Crowd,
        from: DateTime<Utc>,
        returned: Instant,
    ) -> Option<Duration> {
        let mut said = returned;
        while returned.elapsed() < LIMIT {
            let due = crowd.due();
            // Right after its return the database may refuse a connection.
            if let Ok(progress) = store::progress::since(&fleet.bench.pool, from).await {
                let answered = u64::try_from(progress.answered).unwrap_or_default();
                if due.saturating_sub(answered) <= UNDER_WAY * u64::from(self.rate) {
                    return Some(returned.elapsed());
                }
                if said.elapsed() >= SAY {
                    said = Instant::now();
                    drop(line(format!(
                        "  {:>3} s later {due:>6} tickets, {:>6} stored, {answered:>6} answered",
                        returned.elapsed().as_secs(),
                        progress.stored
                    )));
                }
            }
            sleep(LOOK).await;
        }
        None
    }

    async fn judge(
        &self,
        fleet: &Fleet,
        from: DateTime<Utc>,
        due: u64,
        written: &Written,
        recovery: &Recovery,
    ) -> anyhow::Result<bool> {
        let progress = store::progress::since(&fleet.bench.pool, from).await?;
        let letters = fleet.bench.bus().await?.dead_letters();
        let letters = letters.count(&LetterFilter::default()).await?;
        let answered = u64::try_from(progress.answered).unwrap_or_default();
        let stored = u64::try_from(progress.stored).unwrap_or_default();
        line(format!(
            "{due} tickets, {} confirmed after {} tries more, {stored} stored, {answered} answered; \
             due to confirmed: p50 {}, p99 {}",
            written.confirmed,
            written.again,
            milliseconds(quantile(&written.waits, 0.50)),
            milliseconds(quantile(&written.waits, 0.99)),
        ))?;
        let verdicts = [
            Verdict::none("tickets not confirmed", written.unconfirmed()),
            Verdict::none("tickets not answered", due.saturating_sub(answered)),
            Verdict::none("tickets stored twice", stored.saturating_sub(due)),
            Verdict::none("dead letters", letters as u64),
            within("return to caught up", recovery.caught_up),
            within("return to all answered", recovery.answered),
        ];
        judge::print(&verdicts)
    }
}

fn within(what: &str, took: Option<Duration>) -> Verdict {
    Verdict {
        what: what.to_owned(),
        measured: took.map_or_else(
            || format!("more than {LIMIT:?}"),
            |took| format!("{:.1} s", took.as_secs_f64()),
        ),
        limit: format!("≤ {RECOVERY:?}"),
        holds: took.is_some_and(|took| took <= RECOVERY),
    }
}
