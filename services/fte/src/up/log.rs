//! Which log to use: what was asked for, else what the data folder has, else what this
//! machine can run. A log that still holds work is never left behind.

use anyhow::Context as _;
use bus::{Bus, Lag, ReadSettings};
use chassis::SettingsError;
use chassis::settings::{BusKind, BusSettings, KafkaSettings};
use contract::Topic;
use servers::{Kafka, KafkaOptions, Runtime};
use sqlx::PgPool;
use tracing::warn;

use crate::topics::{Profile, read};
use crate::up::data::DataFolder;

/// A log that `fte up` can run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogKind {
    /// Brokers that run elsewhere.
    Kafka,
    /// A broker of our own, with its data in the data folder.
    EmbeddedKafka,
    /// Tables of the database.
    Postgres,
}

impl LogKind {
    const WORDS: [(LogKind, &'static str); 3] = [
        (LogKind::Kafka, "kafka"),
        (LogKind::EmbeddedKafka, "embedded-kafka"),
        (LogKind::Postgres, "postgres"),
    ];

    fn word(self) -> &'static str {
        Self::WORDS.into_iter().find(|(kind, _)| *kind == self).map_or("", |(_, word)| word)
    }

    fn of_word(word: &str) -> Option<Self> {
        Self::WORDS.into_iter().find(|(_, name)| *name == word).map(|(kind, _)| kind)
    }
}

/// What the choice depends on.
#[derive(Debug, Clone, Copy)]
struct Situation {
    asked: Option<BusKind>,
    has_brokers: bool,
    kept: Option<LogKind>,
    can_run_kafka: bool,
}

fn choose(situation: Situation) -> LogKind {
    let Situation { asked, has_brokers, kept, can_run_kafka } = situation;
    match (asked, has_brokers, kept) {
        (Some(BusKind::Postgres), _, _) => LogKind::Postgres,
        (_, true, _) => LogKind::Kafka,
        (Some(BusKind::Kafka), false, _) => LogKind::EmbeddedKafka,
        // The address of the brokers is not kept: without it they cannot be reached.
        (None, false, Some(kept)) if kept != LogKind::Kafka => kept,
        (None, false, _) if can_run_kafka => LogKind::EmbeddedKafka,
        (None, false, _) => LogKind::Postgres,
    }
}

/// The log that runs now.
pub(crate) struct Log {
    pub(crate) kind: LogKind,
    /// As the services are told.
    pub(crate) settings: BusSettings,
    /// The broker, when it is ours.
    pub(crate) broker: Option<Kafka>,
}

impl Log {
    /// One line for the person who started it.
    pub(crate) fn describe(&self) -> String {
        let servers = self.settings.kafka.kafka_bootstrap_servers.as_deref().unwrap_or_default();
        match self.kind {
            LogKind::Kafka => format!("Apache Kafka at {servers} (KAFKA_BOOTSTRAP_SERVERS)"),
            LogKind::EmbeddedKafka => format!("its own Apache Kafka at {servers}"),
            LogKind::Postgres => "tables of the database (--bus postgres)".to_owned(),
        }
    }
}

/// Chooses, makes sure that nothing is left behind, and starts the log with its topics.
pub(crate) async fn start(
    kafka: &KafkaSettings,
    asked: Option<BusKind>,
    folder: &DataFolder,
    pool: &PgPool,
) -> anyhow::Result<Log> {
    let kept = folder.kept_log().and_then(|word| LogKind::of_word(&word));
    let situation = Situation {
        asked,
        has_brokers: kafka.kafka_bootstrap_servers.is_some(),
        kept,
        can_run_kafka: Runtime::locate().has_kafka(),
    };
    let kind = choose(situation);
    if let Some(kept) = kept.filter(|kept| *kept != kind) {
        refuse_unless_drained(kept, kind, kafka, folder, pool).await?;
    }
    let log = run(kind, kafka, folder).await?;
    create_topics(&log, pool).await?;
    folder.keep_log(kind.word())?;
    Ok(log)
}

async fn run(kind: LogKind, kafka: &KafkaSettings, folder: &DataFolder) -> anyhow::Result<Log> {
    let mut settings = BusSettings { bus: BusKind::Kafka, kafka: kafka.clone() };
    let mut broker = None;
    match kind {
        LogKind::Kafka => {}
        LogKind::EmbeddedKafka => {
            let place = (!folder.is_temporary()).then(|| folder.join("kafka"));
            let started =
                Kafka::start(KafkaOptions { folder: place, ..Default::default() }).await?;
            settings.kafka.kafka_bootstrap_servers = Some(started.bootstrap_servers());
            broker = Some(started);
        }
        LogKind::Postgres => settings.bus = BusKind::Postgres,
    }
    Ok(Log { kind, settings, broker })
}

async fn create_topics(log: &Log, pool: &PgPool) -> anyhow::Result<()> {
    let specs = read(None, Profile::Local)?;
    let bus = log.settings.connect(pool).await?;
    let missing = bus.plan_topics(&specs).await.context("the topics of the log")?;
    let is_ours = log.kind != LogKind::Kafka;
    let creates = |change: &bus::TopicChange| matches!(change, bus::TopicChange::Create(_));
    if is_ours || missing.iter().any(creates) && missing.iter().all(creates) {
        bus.apply_topics(&specs).await.context("the topics of the log")?;
    } else if missing.iter().any(creates) {
        anyhow::bail!("topics are missing at the brokers: run `fte topics apply` first");
    }
    Ok(())
}

/// Who must have handled what before a log may be left.
const READERS: [(&str, Topic); 6] = [
    (identity_resolver::SERVICE, Topic::WebformInbound),
    (identity_resolver::SERVICE, Topic::WhatsappInbound),
    (identity_resolver::SERVICE, Topic::EmailInbound),
    (agent::SERVICE, Topic::TicketsIncoming),
    (dispatcher::SERVICE, Topic::TicketsOutgoing),
    (metrics::NAME, Topic::Metrics),
];

/// Events that some group has not handled. A group that never joined has no place in
/// the log yet, so all of its topic counts.
async fn unhandled(bus: &Bus) -> anyhow::Result<i64> {
    let lags = bus.lag().await?;
    let mut events: i64 = lags.iter().map(Lag::records).sum();
    for (group, topic) in READERS {
        if lags.iter().any(|lag| lag.group == group && lag.topic == topic) {
            continue;
        }
        let mut reader = bus.reader(ReadSettings::new(topic)).await?;
        while reader.next().await?.is_some() {
            events += 1;
        }
        reader.close().await?;
    }
    Ok(events)
}

async fn refuse_unless_drained(
    kept: LogKind,
    wanted: LogKind,
    kafka: &KafkaSettings,
    folder: &DataFolder,
    pool: &PgPool,
) -> anyhow::Result<()> {
    let (old, new) = (kept.word(), wanted.word());
    if kept == LogKind::Kafka && kafka.kafka_bootstrap_servers.is_none() {
        let text = "the data folder's log is Apache Kafka elsewhere, which cannot be asked for \
                    unhandled events without KAFKA_BOOTSTRAP_SERVERS: set it, or choose another \
                    folder with --data";
        return Err(SettingsError(text.to_owned()).into());
    }
    let log = run(kept, kafka, folder).await.with_context(|| format!("the old log ({old})"))?;
    let bus = log.settings.connect(pool).await?;
    let behind = unhandled(&bus).await?;
    if let Some(broker) = log.broker {
        broker.stop().await?;
    }
    if behind > 0 {
        return Err(SettingsError(format!(
            "the data folder's log is {old} and {behind} of its events are not handled yet: run \
             with that log until `fte lag` shows 0, then change to {new}"
        ))
        .into());
    }
    warn!(log.old = old, log.new = new, "the log was changed");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW_FOLDER: Situation =
        Situation { asked: None, has_brokers: false, kept: None, can_run_kafka: true };

    #[test]
    fn a_new_folder_gets_kafka_where_java_is_and_tables_elsewhere() {
        assert_eq!(choose(NEW_FOLDER), LogKind::EmbeddedKafka);
        assert_eq!(choose(Situation { can_run_kafka: false, ..NEW_FOLDER }), LogKind::Postgres);
    }

    #[test]
    fn what_is_asked_for_wins_over_what_is_kept_and_what_is_kept_over_what_is_possible() {
        let kept = Situation { kept: Some(LogKind::Postgres), ..NEW_FOLDER };
        let asked = Situation { asked: Some(BusKind::Kafka), ..kept };
        let brokers = Situation { has_brokers: true, ..kept };

        assert_eq!(choose(kept), LogKind::Postgres);
        assert_eq!(choose(asked), LogKind::EmbeddedKafka);
        assert_eq!(choose(brokers), LogKind::Kafka);
        let tables = Situation { asked: Some(BusKind::Postgres), ..brokers };
        assert_eq!(choose(tables), LogKind::Postgres);
    }

    #[test]
    fn every_kind_has_a_word_of_its_own() {
        for (kind, word) in LogKind::WORDS {
            assert_eq!((kind.word(), LogKind::of_word(word)), (word, Some(kind)));
        }
    }
}
