//! Finds what Twilio took for us and no webhook brought: Twilio does not come again
//! after an answer of 5xx, so its own list is the guarantee.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use bus::{Publisher, Record};
use channels::twilio::client::{ListedMessage, TwilioClient};
use channels::twilio::webhook::{self, Ours, Unreadable};
use chassis::webhook::Unusable;
use chrono::{DateTime, TimeDelta, Utc};
use contract::{Channel, EventId};
use opentelemetry::metrics::{Counter, Meter};
use sqlx::PgPool;
use store::jobs::{self, Schedule};
use store::sweeps;
use tokio_util::sync::CancellationToken;

use crate::reached::{Lags, Reached};
use crate::{Clock, NAME};

const SCHEDULE: Schedule = Schedule {
    name: "twilio-sweep",
    every: Duration::from_secs(60),
    lease: Duration::from_secs(60),
};

/// How far a process looks back when it starts, whatever was swept before.
const AT_START: TimeDelta = TimeDelta::hours(24);

/// How much of what was swept is swept again: longer than [`GRACE`], and than what
/// two clocks differ.
const OVERLAP: TimeDelta = TimeDelta::minutes(10);

/// How old a message must be to be missed: its webhook and its repetitions within fifteen
/// seconds come first.
const GRACE: TimeDelta = TimeDelta::seconds(60);

/// How long a message waits for its files to be listed; then it goes without them.
const FILES_WAIT: TimeDelta = TimeDelta::hours(1);

/// Pages of a thousand: far more than one sender receives in a day.
const MOST_PAGES: usize = 500;

/// Gaps published and noted together.
const BATCH: usize = 100;

/// What a dead letter says where others name their topic.
const LIST: &str = "GET Messages.json";

/// Compares Twilio's list with what is stored.
pub struct Sweep {
    pool: PgPool,
    publisher: Arc<dyn Publisher>,
    client: TwilioClient,
    ours: Ours,
    clock: Clock,
    reached: Reached,
    filled: Counter<u64>,
    /// Whether this process has looked back a day.
    has_looked_back: AtomicBool,
}

impl Sweep {
    pub fn new(
        pool: PgPool,
        publisher: Arc<dyn Publisher>,
        client: TwilioClient,
        ours: Ours,
        clock: Clock,
        lags: Lags,
        meter: &Meter,
    ) -> Self {
        let filled = meter
            .u64_counter("fte.whatsapp.sweep.gaps.filled")
            .with_description("messages that no webhook brought")
            .build();
        let has_looked_back = AtomicBool::new(false);
        let reached = Reached::new(lags);
        Self { pool, publisher, client, ours, clock, reached, filled, has_looked_back }
    }

    /// Sweeps every minute until shutdown, on one replica at a time.
    pub async fn run(self, shutdown: CancellationToken) -> anyhow::Result<()> {
        let this = &self;
        let step = || async move { this.step().await.map(drop) };
        jobs::run(self.pool.clone(), SCHEDULE, shutdown, step).await
    }

    /// One sweep. Returns how many gaps it has filled, or moved to the dead letters.
    pub async fn step(&self) -> anyhow::Result<usize> {
        let now = (self.clock)();
        let mut gaps = self.gaps(self.since(now).await?, now - GRACE).await?;
        let mut until = now;
        // Asked only here: the answer takes a client for every group of the log.
        if !gaps.is_empty() {
            let Some(reached) = self.reached.by(now).await? else {
                tracing::info!("the sweep waits: the resolver has not read what came before");
                return Ok(0);
            };
            until = reached;
            gaps = self.still_missing(gaps, until - GRACE).await?;
        }
        self.name_senders(&mut gaps).await?;
        let mut filled = 0;
        for batch in gaps.chunks(BATCH) {
            filled += self.fill(batch).await?;
        }
        anyhow::ensure!(filled == gaps.len(), "messages wait for their files");
        sweeps::finish(&self.pool, SCHEDULE.name, until).await?;
        self.has_looked_back.store(true, Ordering::Relaxed);
        Ok(filled)
    }

    async fn since(&self, now: DateTime<Utc>) -> anyhow::Result<DateTime<Utc>> {
        let swept_until = sweeps::swept_until(&self.pool, SCHEDULE.name).await?;
        let remembered = swept_until.map_or(now - AT_START, |until| until - OVERLAP);
        Ok(if self.has_looked_back.load(Ordering::Relaxed) {
            remembered
        } else {
            remembered.min(now - AT_START)
        })
    }

    /// What is missing, oldest first: customers are answered in the order they wrote.
    async fn gaps(
        &self,
        since: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> anyhow::Result<Vec<ListedMessage>> {
        let mut gaps = Vec::new();
        // A message that comes while pages are read moves others to the next page.
        let mut seen = HashSet::new();
        let mut page = None;
        for _ in 0..MOST_PAGES {
            let mut listed = self.client.inbox(since, page).await?;
            listed.messages.retain(|message| message.at <= until);
            listed.messages.retain(|message| seen.insert(message.sid.clone()));
            let sids: Vec<&str> = listed.messages.iter().map(|m| m.sid.as_str()).collect();
            let missing = sweeps::missing(&self.pool, Channel::Whatsapp, &sids).await?;
            listed.messages.retain(|message| missing.contains(&message.sid));
            gaps.extend(listed.messages);
            page = listed.next;
            if page.is_none() {
                gaps.reverse();
                gaps.sort_by_key(|gap| gap.at);
                return Ok(gaps);
            }
        }
        anyhow::bail!("the list of messages does not end")
    }

    /// Of these, what is missing although the resolver has come past it.
    async fn still_missing(
        &self,
        mut gaps: Vec<ListedMessage>,
        until: DateTime<Utc>,
    ) -> anyhow::Result<Vec<ListedMessage>> {
        gaps.retain(|gap| gap.at <= until);
        let sids: Vec<&str> = gaps.iter().map(|gap| gap.sid.as_str()).collect();
        let missing = sweeps::missing(&self.pool, Channel::Whatsapp, &sids).await?;
        let missing: HashSet<String> = missing.into_iter().collect();
        gaps.retain(|gap| missing.contains(&gap.sid));
        Ok(gaps)
    }

    /// A sender with a user id stays who that is: the list tells the number only.
    async fn name_senders(&self, gaps: &mut [ListedMessage]) -> anyhow::Result<()> {
        for batch in gaps.chunks_mut(BATCH) {
            let addresses: Vec<&str> = batch.iter().map(|gap| gap.from.as_str()).collect();
            let senders: HashMap<String, String> =
                sweeps::senders(&self.pool, &addresses).await?.into_iter().collect();
            for gap in batch {
                gap.sender_id = senders.get(&gap.from).cloned();
            }
        }
        Ok(())
    }

    /// Publishes what the webhooks would have, and notes it. What Twilio lists and nobody can
    /// read goes to the dead letters, as from a webhook. Returns how many are done: one
    /// whose files cannot be had yet is left to the next sweep and holds up no other.
    async fn fill(&self, gaps: &[ListedMessage]) -> anyhow::Result<usize> {
        let mut records = Vec::with_capacity(gaps.len());
        let mut sids = Vec::with_capacity(gaps.len());
        let mut events = 0;
        for gap in gaps {
            let whole = match self.with_files(gap).await {
                Ok(whole) => whole,
                Err(error) => {
                    tracing::warn!(message.sid = gap.sid, %error, "a gap waits for its files");
                    continue;
                }
            };
            sids.push(gap.sid.as_str());
            match webhook::listed(&whole, &self.ours) {
                Ok(event) => {
                    records.push(Record::of(&event));
                    events += 1;
                }
                Err(reason) => records.push(dead_letter(&whole, &reason)?),
            }
        }
        self.publisher.publish_all(records).await.context("the log did not confirm gaps")?;
        sweeps::filled(&self.pool, Channel::Whatsapp, &sids).await?;
        self.filled.add(events, &[]);
        tracing::warn!(gaps = events, "messages that no webhook brought are in the log now");
        Ok(sids.len())
    }

    /// Files may be deleted at Twilio: their message must not hold up others for ever.
    async fn with_files(&self, gap: &ListedMessage) -> anyhow::Result<ListedMessage> {
        let mut gap = gap.clone();
        if gap.file_count > 0 {
            match self.client.files(&gap.sid).await {
                Ok(files) => gap.media = files,
                Err(error) if (self.clock)() - gap.at < FILES_WAIT => return Err(error.into()),
                Err(error) => {
                    tracing::warn!(message.sid = gap.sid, error = %error, "a gap has lost its files");
                }
            }
        }
        Ok(gap)
    }
}

/// What Twilio holds for us and is no message to us; named by its id.
fn dead_letter(gap: &ListedMessage, reason: &Unreadable) -> anyhow::Result<Record> {
    tracing::error!(message.sid = gap.sid, error = %reason, "a gap moved to the dead letters");
    let body = serde_json::to_vec(gap).context("a gap cannot be written")?.into();
    let unusable = Unusable {
        route: LIST,
        body: &body,
        cause: EventId::named(&format!("twilio:{}", gap.sid)),
        key: gap.sid.clone(),
        error: reason.to_string(),
        now: gap.at,
    };
    Ok(Record::of(&unusable.letter(NAME)))
}
