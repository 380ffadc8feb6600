//! Texts as vectors for the rest of the agent, by the model that the settings name. The
//! vectors of different models are never compared: their name goes with them.

use std::path::PathBuf;

use contract::{Classified, FailureClass};
use embeddings::{MiniLm, Vector};

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
}

/// Why there are no vectors.
#[derive(Debug, thiserror::Error)]
pub enum EmbedderError {
    #[error(transparent)]
    Local(#[from] embeddings::Error),
}

impl Embedder {
    /// Makes the embedder that the settings name ready for use.
    pub fn open(settings: &EmbedderSettings) -> Result<Self, EmbedderError> {
        Ok(Self::Local(MiniLm::load(&settings.embedding_folder)?))
    }

    /// The name of the model, for what is stored.
    pub fn name(&self) -> &str {
        match self {
            Self::Local(_) => MiniLm::NAME,
        }
    }

    /// Numbers in a vector.
    pub fn dimension(&self) -> usize {
        match self {
            Self::Local(_) => MiniLm::DIMENSION,
        }
    }

    /// The vectors of texts in their order, each of length 1.
    pub async fn embed(&self, texts: Vec<String>) -> Result<Vec<Vector>, EmbedderError> {
        match self {
            Self::Local(model) => Ok(model.embed(texts).await?),
        }
    }

    /// The same for texts that stand in files: what was computed once is kept.
    pub async fn embed_cached(&self, texts: Vec<String>) -> Result<Vec<Vector>, EmbedderError> {
        match self {
            Self::Local(model) => Ok(model.embed_cached(texts).await?),
        }
    }
}

impl Classified for EmbedderError {
    fn class(&self) -> FailureClass {
        match self {
            EmbedderError::Local(_) => FailureClass::Retry,
        }
    }
}
