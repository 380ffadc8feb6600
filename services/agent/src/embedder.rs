//! Texts as vectors for the rest of the agent, by the model that the settings name. The
//! vectors of different models are never compared: their name goes with them.

use std::path::PathBuf;

use contract::{Classified, FailureClass};
use embeddings::{MiniLm, Vector};

use crate::model::ModelError;
use crate::openai;

/// Where vectors come from.
#[derive(Debug, Clone, clap::Args)]
pub struct EmbedderSettings {
    /// Folder with the files of the local embedding model, as `make setup` fetches them
    #[arg(long, env = "FTE_EMBEDDING_FOLDER", default_value = ".runtime/minilm")]
    pub embedding_folder: PathBuf,
}

/// What turns texts into vectors; clones share it.
#[derive(Debug, Clone)]
pub enum Embedder {
    /// The model in this process.
    Local(MiniLm),
    /// A model of the server that also drafts answers.
    Server(openai::Embeddings),
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
            return Ok(Self::Server(openai::Embeddings::new(server)?));
        }
        Ok(Self::Local(MiniLm::load(&settings.embedding_folder)?))
    }

    /// The name of the model, for what is stored.
    pub fn name(&self) -> &str {
        match self {
            Self::Local(_) => MiniLm::NAME,
            Self::Server(model) => model.name(),
        }
    }

    /// Numbers in a vector; `None` while a server has not answered yet.
    pub fn dimension(&self) -> Option<usize> {
        match self {
            Self::Local(_) => Some(MiniLm::DIMENSION),
            Self::Server(model) => model.dimension(),
        }
    }

    /// The vectors of texts in their order, each of length 1.
    pub async fn embed(&self, texts: Vec<String>) -> Result<Vec<Vector>, EmbedderError> {
        match self {
            Self::Local(model) => Ok(model.embed(texts).await?),
            Self::Server(model) => Ok(model.embed(texts).await?),
        }
    }

    /// The same for texts that stand in files: what was computed once is kept.
    pub async fn embed_cached(&self, texts: Vec<String>) -> Result<Vec<Vector>, EmbedderError> {
        match self {
            Self::Local(model) => Ok(model.embed_cached(texts).await?),
            Self::Server(model) => Ok(model.embed(texts).await?),
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
