//! One reading's way over its pages: each mail once, fetched a few at a time, in the
//! log before the next ones are asked for.

use std::collections::HashSet;

use bus::{PublishError, Record};
use channels::gmail::Error as GmailError;
use contract::{EmailBody, EmailInbound, EventMeta, UnreadableEmail};
use futures::future::join_all;
use store::mailboxes::{self, Lease};
use tracing::{error, warn};

use crate::event;
use crate::meters::Became;
use crate::pages::is_inbound;
use crate::sync::{Sync, SyncError};

/// Mails fetched at once. A mail may have 35 MB, and three times that while it is read.
const AT_ONCE: usize = 4;

/// Failures of one mail after which it counts as unreadable.
const MOST_ATTEMPTS: i32 = 5;

/// Chunks in a row that bring nothing before Gmail counts as away.
const AN_OUTAGE: u32 = 2;

/// What a mail is compared with that Gmail does not hand out: any other one.
const ANY: &str = "in:anywhere";

/// How many of them: one may have the same trouble.
const MOST_OTHERS: usize = 3;

/// A mail that Gmail has just announced may be missing for a second or two.
const LOOKS: u32 = 3;

/// What came of fetching one mail.
enum Fetched {
    Event(Box<EmailInbound>),
    Skipped,
    Gone,
    /// It failed by itself.
    Failed(String),
    /// Gmail as a whole did, or so it may be.
    Away(GmailError),
}

pub(crate) struct Pass<'a> {
    sync: &'a Sync,
    lease: &'a Lease,
    /// What needs no more work in this reading.
    done: HashSet<String>,
    found: u64,
    filled: u64,
    /// Whether a mail that failed holds the cursor.
    is_held: bool,
    /// Mails that Gmail did not hand out, and why: it may be them, it may be Gmail.
    away: Vec<(String, GmailError)>,
    /// Chunks in a row of which Gmail gave nothing.
    chunks_away: u32,
}

impl<'a> Pass<'a> {
    pub(crate) fn new(sync: &'a Sync, lease: &'a Lease) -> Self {
        let (done, away) = (HashSet::new(), Vec::new());
        Self { sync, lease, done, found: 0, filled: 0, is_held: false, away, chunks_away: 0 }
    }

    /// Mails that were neither stored nor given up, and those of them that came through.
    pub(crate) fn gap(&self) -> (u64, u64) {
        (self.found, self.filled)
    }

    /// Whether everything is in the log; an error where Gmail kept something back.
    pub(crate) async fn end(&mut self) -> Result<bool, SyncError> {
        self.judge().await?;
        Ok(!self.is_held)
    }

    /// Counts what Gmail did not hand out against the mails, if it hands out another one
    /// in this moment; an outage counts against none.
    async fn judge(&mut self) -> Result<(), SyncError> {
        let Some((_, error)) = self.away.first() else { return Ok(()) };
        if !self.hands_out_others().await {
            return Err(error.clone().into());
        }
        self.chunks_away = 0;
        let away = std::mem::take(&mut self.away);
        self.count(away.into_iter().map(|(id, error)| (id, error.to_string())).collect()).await
    }

    /// Asked once each, without patience: only what comes at once proves anything.
    async fn hands_out_others(&self) -> bool {
        let Ok(page) = self.sync.gmail.list(ANY, None).await else { return false };
        let is_other = |id: &String| self.away.iter().all(|(away, _)| away != id);
        let others = page.messages.into_iter().map(|mail| mail.id).filter(is_other);
        for id in others.take(MOST_OTHERS) {
            if self.sync.gmail.raw(&id).await.is_ok() {
                return true;
            }
        }
        false
    }

    /// Takes a page's mails.
    pub(crate) async fn take(&mut self, mut ids: Vec<String>) -> Result<(), SyncError> {
        let Sync { pool, mailbox, .. } = self.sync;
        ids.retain(|id| !self.done.contains(id));
        if ids.is_empty() {
            return Ok(());
        }
        let settled = mailboxes::settled(pool, mailbox, &ids).await?;
        ids.retain(|id| !settled.contains(id));
        self.done.extend(settled);
        self.found += u64::try_from(ids.len()).unwrap_or(u64::MAX);
        for chunk in ids.chunks(AT_ONCE) {
            let fetched = join_all(chunk.iter().map(|id| self.fetch(id))).await;
            self.keep(chunk, fetched).await?;
        }
        Ok(())
    }

    async fn fetch(&self, id: &str) -> Fetched {
        let sync = self.sync;
        let mut looks = 0;
        let raw = loop {
            looks += 1;
            match sync.patiently(|| sync.gmail.raw(id)).await {
                Ok(raw) => break raw,
                Err(GmailError::NotFound) if looks < LOOKS => {
                    tokio::time::sleep(sync.tuning.patience.wait(looks)).await;
                }
                Err(GmailError::NotFound) => return Fetched::Gone,
                Err(GmailError::Permanent { reason }) => return Fetched::Failed(reason),
                Err(error) => return Fetched::Away(error),
            }
        };
        if !is_inbound(&raw.label_ids) {
            return Fetched::Skipped;
        }
        let (mailbox, config) = (sync.mailbox.clone(), sync.configs.get(contract::Channel::Email));
        // Megabytes of MIME take a while, and whatever they do they do it there.
        let reading = tokio::task::spawn_blocking(move || event::of(&raw, &mailbox, &config));
        match reading.await {
            Ok(Ok(event)) => Fetched::Event(Box::new(event)),
            Ok(Err(reason)) => Fetched::Failed(reason),
            Err(_) => Fetched::Failed("reading the mail ended in a panic".to_owned()),
        }
    }

    /// Brings events into the log and counts what failed.
    async fn keep(&mut self, ids: &[String], fetched: Vec<Fetched>) -> Result<(), SyncError> {
        let meters = &self.sync.meters;
        let (mut events, mut failures, mut away) = (Vec::new(), Vec::new(), Vec::new());
        for (id, fetched) in ids.iter().zip(fetched) {
            match fetched {
                Fetched::Event(event) => events.push((id, *event)),
                Fetched::Skipped => {
                    meters.mail(Became::Skipped);
                    self.done.insert(id.clone());
                }
                Fetched::Gone => {
                    meters.mail(Became::Gone);
                    self.done.insert(id.clone());
                }
                Fetched::Failed(reason) => failures.push((id.clone(), reason)),
                Fetched::Away(error) => away.push((id.clone(), error)),
            }
        }
        failures.extend(self.publish(events).await?);
        self.count(failures).await?;
        // One mail may trouble Gmail while the others come: they are not kept waiting.
        self.chunks_away = if away.len() == ids.len() { self.chunks_away + 1 } else { 0 };
        if let Some((_, error)) = away.iter().find(|(_, error)| is_final(error)) {
            return Err(error.clone().into());
        }
        // A page that is read again meets the same ones.
        self.away.retain(|(known, _)| away.iter().all(|(id, _)| id != known));
        self.away.extend(away);
        if self.chunks_away >= AN_OUTAGE { self.judge().await } else { Ok(()) }
    }

    /// Returns once the log has the events; those that it can never take have failed.
    async fn publish(
        &mut self,
        events: Vec<(&String, EmailInbound)>,
    ) -> Result<Vec<(String, String)>, SyncError> {
        let publisher = &self.sync.publisher;
        let mut failures = Vec::new();
        if events.is_empty() {
            return Ok(failures);
        }
        let records: Vec<Record> = events.iter().map(|(_, event)| Record::of(event)).collect();
        bus::crash_point("mailbox.read");
        match publisher.publish_all(records.clone()).await {
            Ok(()) => {}
            Err(PublishError::TooLarge { .. }) => {
                for ((id, _), record) in events.iter().zip(records) {
                    match publisher.publish_all(vec![record]).await {
                        Ok(()) => {}
                        Err(error @ PublishError::TooLarge { .. }) => {
                            failures.push(((*id).clone(), error.to_string()));
                        }
                        Err(error) => return Err(error.into()),
                    }
                }
            }
            Err(error) => return Err(error.into()),
        }
        for (id, event) in events {
            if failures.iter().all(|(failed, _)| failed != id) {
                self.sync.meters.mail(match event.body {
                    EmailBody::Bounce(_) => Became::Bounce,
                    _ => Became::Message,
                });
                self.filled += 1;
                self.done.insert(id.clone());
            }
        }
        Ok(failures)
    }

    /// Counts failures of mails themselves. One too many, and the mail goes into the log
    /// as unreadable, so that it holds up nothing and is not forgotten.
    async fn count(&mut self, failures: Vec<(String, String)>) -> Result<(), SyncError> {
        if failures.is_empty() {
            return Ok(());
        }
        let Sync { pool, mailbox, publisher, meters, .. } = self.sync;
        let counted = self.lease.count_failures(pool, &failures).await?;
        if counted.len() < failures.len() {
            return Err(SyncError::LeaseLost);
        }
        let mut hopeless = Vec::new();
        for (id, reason) in failures {
            let attempts = counted.iter().find(|(counted, _)| *counted == id);
            let attempts = attempts.map_or(1, |(_, attempts)| *attempts);
            if attempts >= MOST_ATTEMPTS {
                hopeless.push((id, reason));
            } else {
                warn!(gmail.id = id, mail.attempts = attempts, reason, "a mail failed");
                meters.mail(Became::Failed);
                self.is_held = true;
                // Once per reading, also where a page is read again.
                self.done.insert(id);
            }
        }
        if hopeless.is_empty() {
            return Ok(());
        }
        let unreadable =
            |(id, reason): &(String, String)| Record::of(&given_up(mailbox, id, reason));
        publisher.publish_all(hopeless.iter().map(unreadable).collect()).await?;
        let ids: Vec<String> = hopeless.iter().map(|(id, _)| id.clone()).collect();
        self.lease.give_up(pool, &ids).await?;
        for (id, reason) in hopeless {
            error!(
                gmail.id = id,
                reason, "a mail is unreadable: a person must look at it in Gmail"
            );
            meters.mail(Became::Unreadable);
            self.done.insert(id);
        }
        Ok(())
    }
}

/// Nothing else will go either.
fn is_final(error: &GmailError) -> bool {
    matches!(error, GmailError::AuthBroken { .. } | GmailError::RateLimited { .. })
}

fn given_up(mailbox: &str, gmail_id: &str, reason: &str) -> EmailInbound {
    EmailInbound {
        meta: EventMeta::named(&event::name(mailbox, gmail_id), chassis::clock::now()),
        body: EmailBody::Unreadable(UnreadableEmail {
            mailbox: mailbox.to_owned(),
            gmail_id: gmail_id.to_owned(),
            error: reason.to_owned(),
        }),
    }
}
