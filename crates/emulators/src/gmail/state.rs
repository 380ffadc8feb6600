//! What the emulator holds, behind one lock that is never held across an await.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::mpsc;

use super::counter::Counter;
use super::keys::Keys;
use super::mailbox::Mailbox;
use super::problem::Problem;
use super::push::Notification;
use super::settings::Push;
use super::{Fault, PushFault, Pushed, Recorded, Sent, Settings};
use crate::clock;

#[derive(Debug)]
pub(super) struct State {
    pub(super) client_id: String,
    pub(super) client_secret: String,
    pub(super) units_per_minute: Option<u32>,
    pub(super) token_life: Duration,
    pub(super) push_retries: (Duration, Duration),
    pub(super) keys: Keys,
    /// For pushes.
    pub(super) http: reqwest::Client,
    held: Mutex<Held>,
}

/// An access token's mailbox and end.
#[derive(Debug, Clone)]
pub(super) struct Access {
    pub(super) mailbox: String,
    pub(super) ends: DateTime<Utc>,
}

#[derive(Debug)]
pub(super) struct Held {
    /// How far the emulator's clock is ahead.
    pub(super) ahead: TimeDelta,
    pub(super) counter: Counter,
    pub(super) mailboxes: Vec<Mailbox>,
    pub(super) tokens: HashMap<String, Access>,
    /// Whether each refresh gives a new refresh token as well.
    pub(super) rotates_refresh_tokens: bool,
    /// By the name of the method.
    pub(super) faults: HashMap<String, VecDeque<Fault>>,
    /// What calls about one mail meet, by its id.
    pub(super) troubles: HashMap<String, Fault>,
    pub(super) requests: Vec<Recorded>,
    pub(super) sent: Vec<Sent>,
    /// Addresses that mail bounces from.
    pub(super) undeliverable: Vec<String>,
    pub(super) push: Option<Push>,
    pub(super) push_faults: VecDeque<PushFault>,
    pub(super) pushes: Vec<Pushed>,
    pub(super) has_notification_limit: bool,
    notifications: mpsc::UnboundedSender<Notification>,
}

impl State {
    pub(super) fn new(
        settings: Settings,
        http: reqwest::Client,
        notifications: mpsc::UnboundedSender<Notification>,
    ) -> Self {
        // Where the clock stands: whoever remembers ids of an emulator before this one
        // never meets them again, and its history is too old.
        let start = settings
            .seed
            .unwrap_or_else(|| u64::try_from(clock::now().timestamp_millis()).unwrap_or_default());
        let mailboxes = settings.mailboxes.into_iter();
        Self {
            client_id: settings.client_id,
            client_secret: settings.client_secret,
            units_per_minute: settings.units_per_minute,
            token_life: settings.token_life,
            push_retries: settings.push_retries,
            keys: Keys::default(),
            http,
            held: Mutex::new(Held {
                ahead: TimeDelta::zero(),
                counter: Counter::new(start),
                mailboxes: mailboxes.map(|account| Mailbox::new(account, start)).collect(),
                tokens: HashMap::new(),
                rotates_refresh_tokens: false,
                faults: HashMap::new(),
                troubles: HashMap::new(),
                requests: Vec::new(),
                sent: Vec::new(),
                undeliverable: Vec::new(),
                push: settings.push,
                push_faults: VecDeque::new(),
                pushes: Vec::new(),
                has_notification_limit: settings.has_notification_limit,
                notifications,
            }),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    pub(super) fn now(&self) -> DateTime<Utc> {
        clock::now() + self.ahead
    }

    /// The mailbox that mail to this address comes to, and the source of ids.
    pub(super) fn mailbox(
        &mut self,
        address: &str,
    ) -> Result<(&mut Mailbox, &mut Counter), Problem> {
        let address = address.to_lowercase();
        let Self { mailboxes, counter, .. } = self;
        let found = mailboxes.iter_mut().find(|mailbox| mailbox.is_at(&address));
        found.map(|mailbox| (mailbox, counter)).ok_or_else(Problem::not_found)
    }

    /// Tells of changes since `before`, if somebody wants to know.
    pub(super) fn notify(&mut self, address: &str, before: u64) {
        let now = self.now();
        let Ok((mailbox, _)) = self.mailbox(address) else { return };
        let Some(watch) = mailbox.watch.as_ref().filter(|watch| watch.ends > now) else { return };
        let concerns = |labels: &[String]| {
            let is_named = labels.iter().any(|label| watch.label_ids.contains(label));
            watch.label_ids.is_empty() || is_named != watch.excludes
        };
        let mut changes = mailbox.since(before).iter();
        if !changes.any(|change| concerns(&change.label_ids) || concerns(&change.changed)) {
            return;
        }
        self.tell(address);
    }

    /// Publishes where the mailbox stands, if it is watched and nobody was told just now.
    pub(super) fn tell(&mut self, address: &str) {
        let (now, limit) = (self.now(), self.has_notification_limit);
        let Ok((mailbox, counter)) = self.mailbox(address) else { return };
        let Some(watch) = &mailbox.watch else { return };
        let is_too_soon = |at: DateTime<Utc>| limit && now - at < TimeDelta::seconds(1);
        if mailbox.notified_at.is_some_and(is_too_soon) {
            return;
        }
        mailbox.notified_at = Some(now);
        let notification = Notification {
            message_id: counter.next().to_string(),
            mailbox: mailbox.address.clone(),
            history_id: mailbox.history_id,
            topic: watch.topic.clone(),
        };
        // Nobody listens once the emulator is being dropped.
        self.notifications.send(notification).unwrap_or_default();
    }
}
