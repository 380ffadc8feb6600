//! Sentences as vectors: a local MiniLM model, without a network, and a file that
//! keeps the vectors of texts that seldom change.

mod cache;
mod kept;
mod minilm;
mod recent;
mod uncased;
mod worker;

use std::path::PathBuf;

pub use cache::Cache;
pub use kept::Kept;
pub use minilm::MiniLm;
pub use recent::Recent;

/// A text as a vector of length 1: the product of two is their likeness, -1 to 1.
pub type Vector = Vec<f32>;

/// Why there are no vectors.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The files of the model were never fetched, or the folder is another one.
    #[error("the embedding model is not there, run `make setup`: {file} is missing")]
    Missing { file: PathBuf },
    /// A file is there and cannot be used: fetch it again.
    #[error("the embedding model cannot be used, fetch it again: {file}: {problem}")]
    Unusable { file: PathBuf, problem: String },
    #[error("the embedding model failed on a text: {problem}")]
    Failed { problem: String },
    /// The workers have ended.
    #[error("the embedding model has stopped")]
    Stopped,
}

/// How alike two texts are by their vectors, -1 to 1; 0 where the dimensions differ.
pub fn likeness(left: &[f32], right: &[f32]) -> f32 {
    if left.len() != right.len() {
        return 0.0;
    }
    left.iter().zip(right).map(|(left, right)| left * right).sum()
}
