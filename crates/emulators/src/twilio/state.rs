//! What the emulator holds, behind one lock that is never held across an await.

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};

pub(super) use crate::clock::now;

use super::{Callbacks, Fault, Message, Recorded, Settings};

/// How long after a customer's message free text may go.
const WINDOW: TimeDelta = TimeDelta::hours(24);

/// Messages on a page of the list, at most.
const LARGEST_PAGE: usize = 1000;

#[derive(Debug)]
pub(super) struct State {
    pub(super) account_sid: String,
    pub(super) sender: String,
    /// One for all callbacks: making it takes longer than a callback.
    pub(super) callback_client: reqwest::Client,
    address: OnceLock<SocketAddr>,
    held: Mutex<Held>,
    has_window: bool,
}

#[derive(Debug)]
pub(super) struct Held {
    pub(super) auth_token: String,
    pub(super) webhook_url: Option<String>,
    pub(super) fallback_url: Option<String>,
    pub(super) callbacks: Callbacks,
    pub(super) faults: VecDeque<Fault>,
    pub(super) answer_delay: Duration,
    pub(super) messages: Vec<Message>,
    pub(super) media: Vec<File>,
    /// Where files are, in place of this server.
    pub(super) media_place: Option<String>,
    /// Requests for a file that find none yet.
    pub(super) media_absent: u32,
    pub(super) requests: Vec<Recorded>,
    pub(super) opted_out: HashSet<String>,
    pub(super) largest_page: usize,
    last_inbound: HashMap<String, DateTime<Utc>>,
}

/// A file that came with a message.
#[derive(Debug, Clone)]
pub(super) struct File {
    pub(super) id: String,
    pub(super) message: String,
    pub(super) content_type: String,
    pub(super) bytes: Bytes,
}

impl State {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            account_sid: settings.account_sid,
            sender: settings.sender,
            callback_client: reqwest::Client::new(),
            address: OnceLock::new(),
            has_window: settings.has_window,
            held: Mutex::new(Held {
                auth_token: settings.auth_token,
                webhook_url: settings.webhook_url,
                fallback_url: settings.fallback_url,
                callbacks: settings.callbacks,
                faults: VecDeque::new(),
                answer_delay: Duration::ZERO,
                messages: Vec::new(),
                media: Vec::new(),
                media_place: None,
                media_absent: 0,
                requests: Vec::new(),
                opted_out: HashSet::new(),
                largest_page: LARGEST_PAGE,
                last_inbound: HashMap::new(),
            }),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_address(&self, address: SocketAddr) {
        self.address.get_or_init(|| address);
    }

    pub(super) fn port(&self) -> u16 {
        self.address.get().map_or(0, SocketAddr::port)
    }

    pub(super) fn open_window(&self, customer: &str) {
        self.lock().last_inbound.insert(customer.to_owned(), now());
    }

    pub(super) fn age_window(&self, customer: &str, by: Duration) {
        let by = TimeDelta::from_std(by).unwrap_or(TimeDelta::MAX);
        if let Some(at) = self.lock().last_inbound.get_mut(customer) {
            *at -= by;
        }
    }

    /// Whether free text may go to this customer now.
    pub(super) fn is_window_open(&self, customer: &str) -> bool {
        let open = |at: &DateTime<Utc>| now() - *at < WINDOW;
        !self.has_window || self.lock().last_inbound.get(customer).is_some_and(open)
    }
}

/// Two letters and 32 hexadecimal digits, as every id of Twilio's.
pub(super) fn new_sid(prefix: &str) -> String {
    format!("{prefix}{}", uuid::Uuid::new_v4().simple())
}
