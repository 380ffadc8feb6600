//! The remote model: any server that speaks OpenAI's chat completions. What it costs,
//! how often it is asked and when it is left alone is decided here, once a process.

mod answer;
mod breaker;
mod embeddings;
mod failed;
mod gate;
mod meters;
mod prices;
mod request;
mod schedule;
mod server;
mod settings;
mod transport;
mod vectors;

use std::sync::Arc;

pub use embeddings::Embeddings;
pub use server::{Settings, SetupError};
pub use settings::{Dialect, RemoteSettings};

use self::prices::{Price, Prices};
use self::server::{Endpoint, Server};
use crate::model::{Answer, Model, ModelError, Prompt};

/// A model behind a chat-completions server. Clones share its limits.
#[derive(Debug, Clone)]
pub struct OpenAi {
    server: Arc<Server>,
    price: Option<Price>,
}

impl OpenAi {
    pub fn new(settings: &Settings) -> Result<Self, SetupError> {
        let price = Prices::load()?.of(&settings.model);
        Ok(Self { server: Arc::new(Server::new(settings, Endpoint::Chat)?), price })
    }

    /// Asks for one word, to see that the server answers.
    pub async fn check(&self) -> Result<(), ModelError> {
        let body = request::probe(self.server.model(), self.server.dialect());
        self.server.ask(&body, |value| answer::read(&value)).await?;
        Ok(())
    }
}

impl Model for OpenAi {
    fn name(&self) -> &str {
        self.server.model()
    }

    async fn complete(&self, prompt: &Prompt) -> Result<Answer, ModelError> {
        let body = request::body(self.server.model(), self.server.dialect(), prompt);
        let asked = self.server.ask(&body, |value| answer::read(&value));
        let mut answer = asked.await?;
        answer.usage.cost_micro_usd = self.price.and_then(|price| price.of(&answer.usage));
        self.server.meters().used(&answer.usage);
        Ok(answer)
    }
}
