//! Those who take more than their share, each begun and ended.

use std::time::Duration;

use anyhow::Context as _;
use bus::{Headers, LetterFilter, Record, ReplaySettings};
use chrono::NaiveDate;
use contract::{
    DeadLetter, DeadLetterClass, Event as _, EventId, EventMeta, Submission, TicketRef, Topic,
    WebformBody, WebformInbound,
};
use store::verify_load;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::bench::calls;
use crate::bench::clients::{Crowd, Writing};
use crate::bench::load::Target;
use crate::commands::bench::fleet::Fleet;

/// What a slow provider takes for an answer.
const SLOW: Duration = Duration::from_secs(5);

/// How long the poisonous conversation is locked at a time, and free between.
const LOCKED: Duration = Duration::from_secs(4);
const FREE: Duration = Duration::from_millis(200);

/// What the writer of the poisonous conversation writes a second.
const POISONED_PER_SECOND: u32 = 5;

/// Between two records that nobody can read.
const BROKEN_EVERY: Duration = Duration::from_millis(500);

/// Letters published in one call.
const CHUNK: usize = 500;

/// How long a disturber tries to write.
const PATIENCE: Duration = Duration::from_secs(60);

/// Tickets of letters are numbered on a day on which nobody else opens any.
const DAY: Option<NaiveDate> = NaiveDate::from_ymd_opt(2020, 1, 5);

/// One that takes more than its share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Disturber {
    /// One customer writes by WhatsApp without end.
    OneCustomer { messages: u64, per_second: u32 },
    /// A conversation whose row is locked again and again, so that its handling is tried
    /// again, while records of its key cannot be read at all.
    Poison,
    /// So many dead letters of other customers' forms are replayed at once.
    Replay { letters: usize },
    /// WhatsApp's provider takes seconds for every answer.
    SlowOutlet,
}

/// One at work.
pub(super) enum Disturbing {
    Writing(Crowd),
    Poisoning(Crowd, JoinHandle<anyhow::Result<()>>),
    Replaying(JoinHandle<anyhow::Result<u64>>),
    Slow,
}

impl Disturber {
    pub(super) fn name(self) -> String {
        match self {
            Self::OneCustomer { messages, per_second } => {
                format!("one customer's {messages} messages, {per_second}/s")
            }
            Self::Poison => "a poisonous conversation".to_owned(),
            Self::Replay { letters } => format!("a replay of {letters} dead letters"),
            Self::SlowOutlet => format!("WhatsApp answers in {SLOW:?}"),
        }
    }

    /// How long it takes by itself.
    pub(super) fn span(self) -> Duration {
        match self {
            Self::OneCustomer { messages, per_second } => {
                Duration::from_secs(messages / u64::from(per_second.max(1)))
            }
            Self::Poison | Self::Replay { .. } | Self::SlowOutlet => Duration::ZERO,
        }
    }

    /// Begins; what has to be prepared is there when this returns.
    pub(super) async fn begin(
        self,
        fleet: &mut Fleet,
        span: Duration,
    ) -> anyhow::Result<Disturbing> {
        match self {
            Self::OneCustomer { messages, per_second } => {
                Ok(Disturbing::Writing(one_customer(fleet, messages, per_second)?))
            }
            Self::Poison => poison(fleet, span).await,
            Self::Replay { letters } => replay(fleet, letters).await,
            Self::SlowOutlet => {
                fleet.twilio.set_answer_delay(SLOW);
                Ok(Disturbing::Slow)
            }
        }
    }
}

impl Disturbing {
    /// Waits for its end; how many messages it has brought in.
    pub(super) async fn end(self, fleet: &Fleet) -> anyhow::Result<u64> {
        match self {
            Self::Writing(crowd) => Ok(crowd.finish().await?.confirmed),
            Self::Poisoning(crowd, poisoning) => {
                let written = crowd.stop().await?.confirmed;
                poisoning.await??;
                Ok(written)
            }
            Self::Replaying(replaying) => replaying.await?,
            Self::Slow => {
                fleet.twilio.set_answer_delay(Duration::ZERO);
                Ok(0)
            }
        }
    }
}

fn one_customer(fleet: &mut Fleet, most: u64, per_second: u32) -> anyhow::Result<Crowd> {
    let target = Target {
        body: calls::disturbing_form,
        signature: Some(calls::disturbing_signature),
        ..fleet.messages()?
    };
    Crowd::begin(Writing { target, per_second, most, patience: PATIENCE })
}

async fn poison(fleet: &mut Fleet, span: Duration) -> anyhow::Result<Disturbing> {
    let crowd = one_customer(fleet, u64::MAX, POISONED_PER_SECOND)?;
    let pool = fleet.bench.pool.clone();
    let deadline = Instant::now() + PATIENCE;
    let conversation = loop {
        if let Some(id) = verify_load::conversation_of(&pool, calls::DISTURBER).await? {
            break id;
        }
        anyhow::ensure!(Instant::now() < deadline, "the poisonous conversation is not stored");
        sleep(FREE).await;
    };
    let publisher = fleet.bench.bus().await?.publisher();
    let poisoning = tokio::spawn(async move {
        let until = Instant::now() + span;
        let locks = async {
            while Instant::now() < until {
                verify_load::hold_conversation(&pool, conversation, LOCKED).await?;
                sleep(FREE).await;
            }
            anyhow::Ok(())
        };
        let broken = async {
            while Instant::now() < until {
                publisher.publish_all(broken(&conversation.to_string())).await?;
                sleep(BROKEN_EVERY).await;
            }
            anyhow::Ok(())
        };
        tokio::try_join!(locks, broken)?;
        Ok(())
    });
    Ok(Disturbing::Poisoning(crowd, poisoning))
}

/// One record for each consumer of the flow that none of them can read.
fn broken(key: &str) -> Vec<Record> {
    let topics = [
        Topic::WebformInbound,
        Topic::WhatsappInbound,
        Topic::TicketsIncoming,
        Topic::TicketsOutgoing,
    ];
    let record = |topic| Record {
        topic,
        key: key.to_owned(),
        event_id: EventId::random(),
        headers: Headers::default(),
        payload: "no event".into(),
    };
    topics.map(record).into()
}

async fn replay(fleet: &Fleet, letters: usize) -> anyhow::Result<Disturbing> {
    let bus = fleet.bench.bus().await?;
    let letters: Vec<_> = (0..letters).map(letter).collect::<anyhow::Result<_>>()?;
    let publisher = bus.publisher();
    for chunk in letters.chunks(CHUNK) {
        publisher.publish_all(chunk.to_vec()).await?;
    }
    let filter =
        LetterFilter { key: None, topic: Some(Topic::WebformInbound), ..LetterFilter::default() };
    let replaying = tokio::spawn(async move {
        let filter = LetterFilter { class: Some(DeadLetterClass::Exhausted), ..filter };
        let report = bus.dead_letters().replay(&filter, ReplaySettings::default(), |_| {}).await?;
        Ok(report.published as u64)
    });
    Ok(Disturbing::Replaying(replaying))
}

/// A form that was given up once, and that nothing keeps from being handled now.
fn letter(number: usize) -> anyhow::Result<Record> {
    let number = u32::try_from(number)?;
    let ticket_ref = TicketRef::numbered(DAY.context("no day")?, number).context("no ref")?;
    let now = chassis::clock::now();
    let form = WebformInbound {
        meta: EventMeta::named(&format!("bench-letter-{number}"), now),
        ticket_ref,
        body: WebformBody::Submission(Submission {
            name: "Sam Doe".to_owned(),
            email: format!("letter-{number}@example.org"),
            subject: "Exporting".to_owned(),
            message: format!("How do I get a board as a file? {}", calls::DISTURBER),
            category: None,
            priority: None,
            claimed_plan: None,
            has_idempotency_key: false,
        }),
    };
    let record = Record::of(&form);
    let headers = record.headers.iter().map(|(name, value)| (name.to_owned(), value.clone()));
    Ok(Record::of(&DeadLetter {
        meta: EventMeta::derived(form.meta.event_id, "letter", now),
        topic: form.topic().name().to_owned(),
        partition: 0,
        offset: number.into(),
        group: identity_resolver::SERVICE.to_owned(),
        key: record.key.clone(),
        headers: headers.collect(),
        payload: record.payload.clone(),
        class: DeadLetterClass::Exhausted,
        error: "given up by the benchmark".to_owned(),
        attempts: 1,
    }))
}
