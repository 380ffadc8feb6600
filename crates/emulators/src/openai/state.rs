//! What the emulator holds, behind one lock that is never held across an await.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Play, Recorded, Settings, Vectors};

#[derive(Debug)]
pub(super) struct State {
    pub(super) api_key: String,
    pub(super) models: Vec<String>,
    pub(super) vectors: Option<Vectors>,
    kept: usize,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
pub(super) struct Held {
    pub(super) latency: Duration,
    pub(super) dimension: usize,
    pub(super) chats: VecDeque<Play>,
    pub(super) embeddings: VecDeque<Play>,
    pub(super) rules: Vec<(String, Play)>,
    pub(super) requests: VecDeque<Recorded>,
    /// Requests that are no longer kept.
    pub(super) forgotten: u64,
    pub(super) chat_count: u64,
    pub(super) embedding_count: u64,
    pub(super) text_count: u64,
    pub(super) at_once: usize,
    pub(super) most_at_once: usize,
}

impl State {
    pub(super) fn new(settings: Settings) -> Self {
        let Settings { api_key, models, dimension, vectors, latency, kept, listen: _ } = settings;
        let held = Held { latency, dimension, ..Held::default() };
        Self { api_key, models, vectors, kept, held: Mutex::new(held) }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers a request; returns its number.
    pub(super) fn record(&self, recorded: Recorded) -> u64 {
        let mut held = self.lock();
        held.requests.push_back(recorded);
        if held.requests.len() > self.kept {
            held.requests.pop_front();
            held.forgotten += 1;
        }
        held.forgotten + held.requests.len() as u64 - 1
    }

    pub(super) fn answered(&self, number: u64, status: u16) {
        let mut held = self.lock();
        let at = number.checked_sub(held.forgotten).and_then(|at| usize::try_from(at).ok());
        if let Some(recorded) = at.and_then(|at| held.requests.get_mut(at)) {
            recorded.status = Some(status);
        }
    }

    /// Counts a chat while it lasts.
    pub(super) fn begin_chat(&self) -> Chat<'_> {
        let mut held = self.lock();
        held.chat_count += 1;
        held.at_once += 1;
        held.most_at_once = held.most_at_once.max(held.at_once);
        Chat(self)
    }
}

pub(super) struct Chat<'a>(&'a State);

impl Drop for Chat<'_> {
    fn drop(&mut self) {
        self.0.lock().at_once -= 1;
    }
}
