//! The model as the rest of the product sees it: texts in, vectors out, no more work at
//! once than the machine has cores for.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use tokio::sync::mpsc;

use crate::cache::Cache;
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
    recent: Arc<Mutex<Recent>>,
    cache: Arc<Cache>,
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
        let recent = Arc::new(Mutex::new(Recent::default()));
        let cache = Arc::new(Cache::new(folder, Self::NAME, Self::DIMENSION));
        Ok(Self { jobs, recent, cache })
    }

    /// The vectors of texts, in their order. Equal texts are computed once as long as
    /// they are recent.
    pub async fn embed(&self, texts: Vec<String>) -> Result<Vec<Vector>, Error> {
        let mut known: Vec<Option<Vector>> = {
            let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
            texts.iter().map(|text| recent.get(text)).collect()
        };
        let missing = texts.iter().zip(&known).filter(|(_, vector)| vector.is_none());
        let missing: Vec<String> = missing.map(|(text, _)| text.clone()).collect();
        let computed = self.compute(missing.clone()).await?;
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        for (text, vector) in missing.into_iter().zip(&computed) {
            recent.put(text, vector.clone());
        }
        drop(recent);
        let mut computed = computed.into_iter();
        for vector in known.iter_mut().filter(|vector| vector.is_none()) {
            *vector = computed.next();
        }
        known.into_iter().collect::<Option<Vec<_>>>().ok_or(Error::Stopped)
    }

    /// As [`Self::embed`] for texts of files: what was computed once is read from a file
    /// beside the model from then on.
    pub async fn embed_cached(&self, texts: Vec<String>) -> Result<Vec<Vector>, Error> {
        self.cache.embed(texts, |missing| self.compute(missing)).await
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
