//! What people do with dead letters: list, show, replay, drop. Over either log.
//!
//! `fte.dlq` itself is the index: a list reads the topic from its beginning, which
//! works the same on both logs, finds the letters of every producer and cannot
//! disagree with what was published. Letters are rare and their topic keeps them for
//! 30 days, so a scan is short. PostgreSQL holds only what the topic cannot say:
//! which letters are dealt with (`dead_letter_actions`) and which stand in a line
//! that later events wait behind (`parked_letters`, with the letter itself, so that
//! no retention breaks a line).

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use contract::{DeadLetter, DeadLetterClass, Event as _, EventId, Topic};
use sqlx::PgPool;
use uuid::Uuid;

use crate::bus::{Bus, BusError};
use crate::reader::ReadSettings;
use crate::record::PublishError;

/// The dead letters of a log.
#[derive(Clone)]
pub struct DeadLetters {
    pub(crate) bus: Bus,
    pub(crate) pool: PgPool,
}

/// Which letters; all that is set must match.
#[derive(Debug, Clone, Default)]
pub struct LetterFilter {
    pub id: Option<EventId>,
    pub group: Option<String>,
    pub topic: Option<Topic>,
    pub key: Option<String>,
    pub class: Option<DeadLetterClass>,
    /// Also what was replayed or dropped.
    pub with_dealt_with: bool,
}

/// What has become of a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LetterState {
    /// Nobody has dealt with it; nothing waits behind it.
    Open,
    /// It stands in the line of its key, and later events of the key wait behind it.
    Parked {
        /// How often it was published again.
        replays: i32,
    },
    Replayed,
    Dropped,
}

/// A dead letter as people see it.
#[derive(Debug, Clone, PartialEq)]
pub struct Letter {
    pub letter: DeadLetter,
    /// When it became one.
    pub at: DateTime<Utc>,
    pub state: LetterState,
}

impl Letter {
    pub fn id(&self) -> EventId {
        self.letter.meta.event_id
    }
}

/// Why letters could not be read or dealt with.
#[derive(Debug, thiserror::Error)]
pub enum DeadLetterError {
    #[error("the dead letters cannot be read")]
    Log(#[from] BusError),
    #[error("a letter cannot be published again")]
    Publish(#[from] PublishError),
    #[error("the tables of dead letters cannot be reached")]
    Database(#[from] sqlx::Error),
}

impl LetterFilter {
    fn matches(&self, letter: &DeadLetter) -> bool {
        self.id.is_none_or(|id| id == letter.meta.event_id)
            && self.group.as_ref().is_none_or(|group| *group == letter.group)
            && self.topic.is_none_or(|topic| topic.name() == letter.topic)
            && self.key.as_ref().is_none_or(|key| *key == letter.key)
            && self.class.is_none_or(|class| class == letter.class)
    }
}

/// A row of `parked_letters`.
#[derive(Debug, sqlx::FromRow)]
struct ParkedRow {
    letter: Vec<u8>,
    parked_at: DateTime<Utc>,
    replays: i32,
}

/// What the tables say of letters.
struct Verdicts {
    /// The parked letters that match.
    parked: Vec<Letter>,
    parked_ids: HashSet<EventId>,
    actions: HashMap<Uuid, LetterState>,
}

impl Verdicts {
    /// The state of a letter in the topic; `None` for a parked one.
    fn of(&self, id: EventId) -> Option<LetterState> {
        let action = self.actions.get(&id.as_uuid()).copied();
        (!self.parked_ids.contains(&id)).then(|| action.unwrap_or(LetterState::Open))
    }
}

impl DeadLetters {
    /// `pool` is the database that holds the tables of the bus.
    pub(crate) fn new(bus: Bus, pool: PgPool) -> Self {
        Self { bus, pool }
    }

    /// The letters that match: parked ones first, each line in its order, then the
    /// others, oldest first.
    pub async fn list(&self, filter: &LetterFilter) -> Result<Vec<Letter>, DeadLetterError> {
        let mut others = Vec::new();
        self.scan(filter, |letter| others.push(letter)).await?;
        let verdicts = self.verdicts(filter).await?;
        others.retain_mut(|letter| match verdicts.of(letter.id()) {
            Some(state) => {
                letter.state = state;
                state == LetterState::Open || filter.with_dealt_with
            }
            None => false,
        });
        others.sort_by_key(|letter| letter.at);
        let mut letters = verdicts.parked;
        letters.extend(others);
        Ok(letters)
    }

    /// How many [`DeadLetters::list`] would give, without holding them.
    pub async fn count(&self, filter: &LetterFilter) -> Result<usize, DeadLetterError> {
        let mut ids = Vec::new();
        self.scan(filter, |letter| ids.push(letter.id())).await?;
        let verdicts = self.verdicts(filter).await?;
        let others = ids.into_iter().filter_map(|id| verdicts.of(id));
        let counted = others.filter(|s| *s == LetterState::Open || filter.with_dealt_with).count();
        Ok(verdicts.parked.len() + counted)
    }

    /// Reads the topic for the letters that match, each once: a crash may publish one
    /// twice. Those that were dealt with before may be left out.
    async fn scan(
        &self,
        filter: &LetterFilter,
        mut visit: impl FnMut(Letter),
    ) -> Result<(), DeadLetterError> {
        let dealt_with = self.actions().await?;
        let mut seen: HashSet<EventId> = HashSet::new();
        let settings =
            ReadSettings { key: filter.key.clone(), ..ReadSettings::new(Topic::DeadLetters) };
        let mut reader = self.bus.reader(settings).await?;
        while let Some(record) = reader.next().await? {
            // What is no letter is not ours to deal with.
            let Ok(letter) = DeadLetter::decode(&record.payload) else { continue };
            let id = letter.meta.event_id;
            let is_open = !dealt_with.contains_key(&id.as_uuid());
            if filter.matches(&letter) && (is_open || filter.with_dealt_with) && seen.insert(id) {
                visit(Letter { letter, at: record.at, state: LetterState::Open });
            }
        }
        reader.close().await?;
        Ok(())
    }

    /// What the tables say. Asked after the topic was read: a letter is parked before
    /// it is published, so none that was read can pass for one nothing waits behind.
    async fn verdicts(&self, filter: &LetterFilter) -> Result<Verdicts, DeadLetterError> {
        // A replay that came back changes the class of a parked letter, not of the
        // published one: its id counts whatever its class.
        let any_class = LetterFilter { class: None, ..filter.clone() };
        let mut parked = self.parked(&any_class).await?;
        let parked_ids = parked.iter().map(Letter::id).collect();
        parked.retain(|letter| filter.matches(&letter.letter));
        Ok(Verdicts { parked, parked_ids, actions: self.actions().await? })
    }

    /// One letter, whatever was done with it.
    pub async fn show(&self, id: EventId) -> Result<Option<Letter>, DeadLetterError> {
        let filter =
            LetterFilter { id: Some(id), with_dealt_with: true, ..LetterFilter::default() };
        Ok(self.list(&filter).await?.into_iter().next())
    }

    /// Drops the open and parked letters that match, and says how many. A key whose
    /// last letter goes is no longer parked.
    pub async fn drop_letters(&self, filter: &LetterFilter) -> Result<usize, DeadLetterError> {
        let filter = LetterFilter { with_dealt_with: false, ..filter.clone() };
        let ids: Vec<Uuid> =
            self.list(&filter).await?.iter().map(|letter| letter.id().as_uuid()).collect();
        self.note(&ids, "dropped").await?;
        Ok(ids.len())
    }

    /// Forgets decisions about letters that the topic has long forgotten.
    pub async fn retain(&self) -> Result<u64, DeadLetterError> {
        let deleted =
            sqlx::query("delete from dead_letter_actions where at < now() - interval '90 days'")
                .execute(&self.pool)
                .await?;
        Ok(deleted.rows_affected())
    }

    /// Notes what was done, and takes the letters out of their lines.
    pub(crate) async fn note(&self, ids: &[Uuid], action: &str) -> Result<(), sqlx::Error> {
        sqlx::query(
            "with gone as (delete from parked_letters where letter_id = any($1))
             insert into dead_letter_actions (letter_id, action)
             select id, $2 from unnest($1) id
             on conflict (letter_id) do nothing",
        )
        .bind(ids)
        .bind(action)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    async fn parked(&self, filter: &LetterFilter) -> Result<Vec<Letter>, sqlx::Error> {
        let rows: Vec<ParkedRow> = sqlx::query_as(
            r#"select letter, parked_at, replays from parked_letters
               where ($1::uuid is null or letter_id = $1)
                 and ($2::text is null or "group" = $2)
                 and ($3::text is null or topic = $3)
                 and ($4::text is null or key = $4)
               order by "group", topic, key, "offset""#,
        )
        .bind(filter.id.map(EventId::as_uuid))
        .bind(&filter.group)
        .bind(filter.topic.map(Topic::name))
        .bind(&filter.key)
        .fetch_all(&self.pool)
        .await?;
        let letters = rows.into_iter().filter_map(|row| {
            let letter = DeadLetter::decode(&Bytes::from(row.letter)).ok()?;
            let state = LetterState::Parked { replays: row.replays };
            filter.matches(&letter).then_some(Letter { letter, at: row.parked_at, state })
        });
        Ok(letters.collect())
    }

    async fn actions(&self) -> Result<HashMap<Uuid, LetterState>, sqlx::Error> {
        let rows: Vec<(Uuid, bool)> =
            sqlx::query_as("select letter_id, action = 'replayed' from dead_letter_actions")
                .fetch_all(&self.pool)
                .await?;
        let state = |replayed| match replayed {
            true => LetterState::Replayed,
            false => LetterState::Dropped,
        };
        Ok(rows.into_iter().map(|(id, replayed)| (id, state(replayed))).collect())
    }
}

impl std::fmt::Debug for DeadLetters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DeadLetters").finish_non_exhaustive()
    }
}
