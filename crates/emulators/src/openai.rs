//! A server of OpenAI's chat completions and embeddings: it checks requests by the
//! contract, answers as a sensible agent would, and fails as it is told.

mod answer;
mod check;
mod play;
mod recorded;
mod routes;
mod script;
mod state;
mod vectors;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

pub use play::{Play, Refusal, Shape, Wrong};
pub use recorded::Recorded;
pub use vectors::{Vectors, vector};

use self::state::State;
use crate::server::Server;

/// What it plays.
#[derive(Debug, Clone)]
pub struct Settings {
    pub api_key: String,
    /// The models that it has; any when empty.
    pub models: Vec<String>,
    /// Numbers of one embedding made of hashes.
    pub dimension: usize,
    /// Where embeddings come from in place of hashes.
    pub vectors: Option<Vectors>,
    /// How long each chat takes. Embeddings come at once.
    pub latency: Duration,
    /// Requests that are kept to be read; older ones are only counted.
    pub kept: usize,
    /// Port 0 takes a free one.
    pub listen: SocketAddr,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            api_key: "sk-emulator-0123456789abcdef".to_owned(),
            models: Vec::new(),
            dimension: 64,
            vectors: None,
            latency: Duration::ZERO,
            kept: 4_096,
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        }
    }
}

/// A running emulator; dropping it stops it.
#[derive(Debug)]
pub struct OpenAiEmulator {
    state: Arc<State>,
    server: Server,
}

impl OpenAiEmulator {
    pub async fn start(settings: Settings) -> std::io::Result<Self> {
        let listen = settings.listen;
        let state = Arc::new(State::new(settings));
        let server = serve(&state, listen).await?;
        Ok(Self { state, server })
    }

    /// For OPENAI_BASE_URL.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.server.address)
    }

    /// From here on connections are refused. What it holds stays.
    pub async fn stop(&mut self) {
        self.server.stop().await;
    }

    /// Listens again where it did.
    pub async fn restart(&mut self) -> std::io::Result<()> {
        self.stop().await;
        self.server = serve(&self.state, self.server.address).await?;
        Ok(())
    }

    /// What the next chats meet, one each.
    pub fn script(&self, plays: impl IntoIterator<Item = Play>) {
        self.state.lock().chats.extend(plays);
    }

    /// What the next requests for embeddings meet, one each.
    pub fn script_embeddings(&self, plays: impl IntoIterator<Item = Play>) {
        self.state.lock().embeddings.extend(plays);
    }

    /// What every request meets whose texts, of a chat the customer's newest, hold these
    /// words, when the script is at its end.
    pub fn when(&self, words: impl Into<String>, play: Play) {
        self.state.lock().rules.push((words.into(), play));
    }

    /// Forgets rules and what of the scripts was not met.
    pub fn clear_script(&self) {
        let mut held = self.state.lock();
        held.chats.clear();
        held.embeddings.clear();
        held.rules.clear();
    }

    /// How long each chat takes from here on.
    pub fn set_latency(&self, latency: Duration) {
        self.state.lock().latency = latency;
    }

    /// Numbers of one embedding from here on.
    pub fn set_dimension(&self, dimension: usize) {
        self.state.lock().dimension = dimension;
    }

    /// The newest requests, in the order of arrival.
    pub fn requests(&self) -> Vec<Recorded> {
        self.state.lock().requests.iter().cloned().collect()
    }

    /// Chats asked for since the start, whatever became of them.
    pub fn chats(&self) -> u64 {
        self.state.lock().chat_count
    }

    /// Requests for embeddings since the start.
    pub fn embedding_requests(&self) -> u64 {
        self.state.lock().embedding_count
    }

    /// Texts embedded since the start.
    pub fn texts(&self) -> u64 {
        self.state.lock().text_count
    }

    /// The most chats that were on their way at once.
    pub fn most_at_once(&self) -> usize {
        self.state.lock().most_at_once
    }
}

async fn serve(state: &Arc<State>, listen: SocketAddr) -> std::io::Result<Server> {
    Server::start(listen, |shutdown| routes::router(Arc::clone(state), shutdown)).await
}
