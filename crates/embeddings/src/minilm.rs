//! The model as the rest of the product sees it: texts in, vectors out, no more work at
//! once than the machine has cores for.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;

use tokio::sync::mpsc;

use crate::cache::Cache;
use crate::kept::Kept;
use crate::recent::Recent;
use crate::worker::{Job, Network, Workshop, read_tokenizer};
use crate::{Error, Vector};

/// Two threads serve some 400 questions per second; the others have work, too.
const MOST_WORKERS: usize = 2;

/// Texts that wait for a worker; whoever brings more waits to hand them in.
const MOST_WAITING: usize = 64;

const MODEL_FILE: &str = "model.onnx";
const TOKENIZER_FILE: &str = "tokenizer.json";

/// all-MiniLM-L6-v2 on this machine; clones share the model.
#[derive(Debug, Clone)]
pub struct MiniLm {
    jobs: mpsc::Sender<Job>,
    recent: Arc<Recent>,
    cache: Arc<Cache>,
    folder: Arc<Path>,
}

impl MiniLm {
    /// Stored beside every vector: those of another model, or of another precision of
    /// its weights, are not compared with these.
    pub const NAME: &'static str = "all-MiniLM-L6-v2-onnx-int8";
    /// Numbers in a vector.
    pub const DIMENSION: usize = 384;
    /// The model was trained on texts of this length; what is longer is cut.
    pub const MAX_TOKENS: usize = 256;

    /// Reads the model from the folder that the set-up made, in about a tenth of a
    /// second, and starts its workers; they end with the last clone.
    pub fn load(folder: &Path) -> Result<Self, Error> {
        let network = Arc::new(Network::load(&present(folder, MODEL_FILE)?)?);
        let tokenizer = read_tokenizer(&present(folder, TOKENIZER_FILE)?)?;
        let (jobs, waiting) = mpsc::channel(MOST_WAITING);
        let workshop = Workshop { network, tokenizer, waiting: Arc::new(Mutex::new(waiting)) };
        let cores = thread::available_parallelism().map_or(1, usize::from);
        for number in 0..cores.min(MOST_WORKERS) {
            let workshop = workshop.clone();
            thread::Builder::new()
                .name(format!("embed-{number}"))
                .spawn(move || workshop.work())
                .map_err(|error| Error::Failed { problem: error.to_string() })?;
        }
        let cache = Arc::new(Cache::new(folder, Self::NAME, Self::DIMENSION));
        Ok(Self { jobs, recent: Arc::default(), cache, folder: folder.into() })
    }

    /// The vectors of texts, in their order. Equal texts are computed once as long as
    /// they are recent; the model knows no case, and so do none of them.
    pub async fn embed(&self, texts: Vec<String>) -> Result<Vec<Vector>, Error> {
        let texts = texts.iter().map(|text| text.to_lowercase()).collect();
        self.recent.embed(texts, |missing| self.compute(missing)).await
    }

    /// As [`Self::embed`] for texts of files: what was computed once is read from a file
    /// beside the model from then on.
    pub async fn embed_cached(&self, texts: Vec<String>) -> Result<Vec<Vector>, Error> {
        self.cache.embed(texts, |missing| self.compute(missing)).await
    }

    /// A file beside the model for what is computed of its vectors.
    pub fn kept(&self, name: &str) -> Kept {
        Kept::new(self.folder.join(name))
    }

    async fn compute(&self, texts: Vec<String>) -> Result<Vec<Vector>, Error> {
        let (results, mut computed) = mpsc::channel(texts.len().max(1));
        let count = texts.len();
        for (number, text) in texts.into_iter().enumerate() {
            let job = Job { number, text, result: results.clone() };
            self.jobs.send(job).await.map_err(|_| Error::Stopped)?;
        }
        drop(results);
        let mut vectors = vec![Vector::new(); count];
        for _ in 0..count {
            let (number, vector) = computed.recv().await.ok_or(Error::Stopped)?;
            if let Some(place) = vectors.get_mut(number) {
                *place = vector?;
            }
        }
        Ok(vectors)
    }
}

fn present(folder: &Path, name: &str) -> Result<PathBuf, Error> {
    let file = folder.join(name);
    if file.is_file() { Ok(file) } else { Err(Error::Missing { file }) }
}
