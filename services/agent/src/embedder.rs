//! Texts as vectors for the rest of the agent, by the model that the settings name. The
//! vectors of different models are never compared: their name goes with them.

use std::path::PathBuf;
use std::sync::Arc;

use chassis::SettingsError;
use chassis::settings::OutboundSettings;
use contract::{Classified, FailureClass};
use embeddings::{Kept, MiniLm, Recent, Vector};
use store::knowledge::Space;

use crate::model::ModelError;
use crate::openai::{self, RemoteSettings};
use crate::policy::fold;

/// Where vectors come from.
#[derive(Debug, Clone, clap::Args)]
pub struct EmbedderSettings {
    /// Folder with the files of the local embedding model, as `make setup` fetches them
    #[arg(long, env = "FTE_EMBEDDING_FOLDER", default_value = ".runtime/minilm")]
    pub embedding_folder: PathBuf,
}

/// All that an embedder needs, where there is no agent around it.
#[derive(Debug, Clone, clap::Args)]
pub struct EmbeddingSettings {
    #[command(flatten)]
    pub embedder: EmbedderSettings,
    #[command(flatten)]
    pub remote: RemoteSettings,
    #[command(flatten)]
    pub outbound: OutboundSettings,
}

impl EmbeddingSettings {
    /// The embedder that an agent with the same settings has.
    pub fn open(&self) -> Result<Embedder, SettingsError> {
        let server = self.remote.embeddings(self.outbound)?;
        Embedder::open(&self.embedder, server.as_ref()).map_err(|e| SettingsError(e.to_string()))
    }
}

/// What turns texts into vectors; clones share it.
#[derive(Debug, Clone)]
pub enum Embedder {
    /// The model in this process.
    Local(MiniLm),
    /// A model of the server that also drafts answers.
    Server(openai::Embeddings, Arc<Recent>),
}

/// Why there are no vectors.
#[derive(Debug, thiserror::Error)]
pub enum EmbedderError {
    #[error(transparent)]
    Local(#[from] embeddings::Error),
    #[error(transparent)]
    Server(#[from] ModelError),
    #[error(transparent)]
    Setup(#[from] openai::SetupError),
}

impl Embedder {
    /// Makes the embedder ready for use: the server's where one is given.
    pub fn open(
        settings: &EmbedderSettings,
        server: Option<&openai::Settings>,
    ) -> Result<Self, EmbedderError> {
        if let Some(server) = server {
            return Ok(Self::Server(openai::Embeddings::new(server)?, Arc::default()));
        }
        Ok(Self::Local(MiniLm::load(&settings.embedding_folder)?))
    }

    /// The name of the model, for what is stored.
    pub fn name(&self) -> &str {
        match self {
            Self::Local(_) => MiniLm::NAME,
            Self::Server(model, _) => model.name(),
        }
    }

    /// Numbers in a vector; `None` while a server has not answered yet.
    pub fn dimension(&self) -> Option<usize> {
        match self {
            Self::Local(_) => Some(MiniLm::DIMENSION),
            Self::Server(model, _) => model.dimension(),
        }
    }

    /// Which stored vectors may be compared with these. A server that has not answered yet
    /// is asked for a vector, to see its dimension.
    pub(crate) async fn space(&self) -> Result<Space<'_>, EmbedderError> {
        let dimension = match self.dimension() {
            Some(dimension) => dimension,
            None => self.embed(vec!["dimension".to_owned()]).await?.first().map_or(0, Vec::len),
        };
        let dimension = i32::try_from(dimension).unwrap_or(i32::MAX);
        Ok(Space { model: self.name(), dimension })
    }

    /// A customer's text as the model can read it. The one in this process knows English and
    /// the letters of its neighbours, and stumbles over marks of other scripts: texts in
    /// those are compared by their words alone. A server is asked about the words as they are.
    pub(crate) fn legible(&self, text: &str) -> String {
        let is_known =
            |symbol: char| symbol.is_ascii() || ('\u{2010}'..='\u{2027}').contains(&symbol);
        match self {
            Self::Local(_) => fold(text)
                .chars()
                .map(|symbol| if is_known(symbol) { symbol } else { ' ' })
                .collect(),
            Self::Server(..) => text.to_owned(),
        }
    }

    /// The vectors of texts in their order, each of length 1.
    pub async fn embed(&self, texts: Vec<String>) -> Result<Vec<Vector>, EmbedderError> {
        match self {
            Self::Local(model) => Ok(model.embed(texts).await?),
            Self::Server(model, recent) => {
                Ok(recent.embed(with_words(texts), |missing| model.embed(missing)).await?)
            }
        }
    }

    /// The same for texts that stand in files: what was computed once is kept.
    pub async fn embed_cached(&self, texts: Vec<String>) -> Result<Vec<Vector>, EmbedderError> {
        match self {
            Self::Local(model) => Ok(model.embed_cached(texts).await?),
            Self::Server(model, _) => Ok(model.embed(with_words(texts)).await?),
        }
    }

    /// A file for what is computed of its vectors, where there is a place for one.
    pub(crate) fn kept(&self, name: &str) -> Option<Kept> {
        match self {
            Self::Local(model) => Some(model.kept(name)),
            Self::Server(..) => None,
        }
    }
}

impl Classified for EmbedderError {
    fn class(&self) -> FailureClass {
        match self {
            EmbedderError::Local(_) | EmbedderError::Server(_) | EmbedderError::Setup(_) => {
                FailureClass::Retry
            }
        }
    }
}

/// Servers refuse a text without words, and of what is written in letters that the reader
/// does not know nothing is left but spaces.
fn with_words(texts: Vec<String>) -> Vec<String> {
    let worded = |text: String| if text.trim().is_empty() { "-".to_owned() } else { text };
    texts.into_iter().map(worded).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_of_which_nothing_is_legible_can_be_asked_of_a_server() {
        let texts = ["a word", "   ", ""].map(str::to_owned).to_vec();

        assert_eq!(with_words(texts), ["a word", "-", "-"]);
    }
}
