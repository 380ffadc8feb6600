//! Vectors of texts that stand in files, by their content: computed once, read from
//! then on. The file is a convenience: without it everything is computed again.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::Vector;
use crate::kept::Kept;

/// Beyond it the file holds mostly what no file has any more: it is then begun anew.
const MOST: usize = 20_000;

/// The first bytes of the file; another form of it gets another number.
const MAGIC: &[u8; 8] = b"vectors2";

/// Bytes that say of one text and its vector that they are whole.
const SUM: usize = 8;

type Key = [u8; 32];

/// The vectors of one model in one file of a folder.
#[derive(Debug)]
pub struct Cache {
    file: Arc<Kept>,
    model: String,
    dimension: usize,
}

/// What the file holds, and whether it may be added to.
struct Known {
    vectors: HashMap<Key, Vector>,
    /// Nothing of it is damaged or was cut off.
    is_whole: bool,
}

impl Cache {
    /// The file is named after the model: another one has another.
    pub fn new(folder: &Path, model: &str, dimension: usize) -> Self {
        let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
        let name: String = model.chars().map(plain).collect();
        let file = folder.join(format!("{name}.{dimension}.vectors-2"));
        Self { file: Arc::new(Kept::new(file)), model: model.to_owned(), dimension }
    }

    /// The vectors of the texts in their order; those that the file does not hold are
    /// computed in one call and added to it.
    ///
    /// # Errors
    /// Those of the call. A file that cannot be read or written is none.
    pub async fn embed<E>(
        &self,
        texts: Vec<String>,
        compute: impl AsyncFnOnce(Vec<String>) -> Result<Vec<Vector>, E>,
    ) -> Result<Vec<Vector>, E> {
        let keys: Vec<Key> = texts.iter().map(|text| self.key(text)).collect();
        let mut known = self.read().await;
        let mut wanted: HashMap<Key, String> = HashMap::new();
        for (key, text) in keys.iter().zip(texts) {
            if !known.vectors.contains_key(key) {
                wanted.insert(*key, text);
            }
        }
        if !wanted.is_empty() {
            let (new, texts): (Vec<Key>, Vec<String>) = wanted.into_iter().unzip();
            let computed = compute(texts).await?;
            let new: HashMap<Key, Vector> = new.into_iter().zip(computed).collect();
            self.add(&known, &new, &keys).await;
            known.vectors.extend(new);
        }
        Ok(keys.iter().map(|key| known.vectors.get(key).cloned().unwrap_or_default()).collect())
    }

    fn key(&self, text: &str) -> Key {
        let mut hash = Sha256::new();
        hash.update((self.model.len() as u64).to_be_bytes());
        hash.update(&self.model);
        hash.update(text);
        hash.finalize().into()
    }

    async fn read(&self) -> Known {
        let (file, dimension) = (Arc::clone(&self.file), self.dimension);
        let read = tokio::task::spawn_blocking(move || parse(&file.bytes(), dimension));
        read.await.unwrap_or_else(|_| Known { vectors: HashMap::new(), is_whole: false })
    }

    /// Adds what is new to the end of the file; a damaged one is begun anew with what is left
    /// of it, a full one with what is in use.
    async fn add(&self, known: &Known, new: &HashMap<Key, Vector>, keys: &[Key]) {
        let is_full = known.vectors.len() + new.len() > MOST;
        let is_added = known.is_whole && !is_full;
        let mut bytes = if is_added { Vec::new() } else { MAGIC.to_vec() };
        if !is_added {
            let left = known.vectors.iter().filter(|(key, _)| !is_full || keys.contains(key));
            left.for_each(|(key, vector)| self.write(&mut bytes, key, vector));
        }
        new.iter().for_each(|(key, vector)| self.write(&mut bytes, key, vector));
        let file = Arc::clone(&self.file);
        let written = move || {
            let written = if is_added { file.append(&bytes) } else { file.replace(&bytes) };
            file.tell(written);
        };
        // It saves time only.
        drop(tokio::task::spawn_blocking(written).await);
    }

    fn write(&self, bytes: &mut Vec<u8>, key: &Key, vector: &[f32]) {
        if vector.len() != self.dimension {
            return;
        }
        let start = bytes.len();
        bytes.extend(key);
        bytes.extend(vector.iter().flat_map(|number| number.to_le_bytes()));
        let sum = sum_of(bytes.get(start..).unwrap_or_default());
        bytes.extend(sum);
    }
}

/// What is whole of a file; the rest is computed again.
fn parse(bytes: &[u8], dimension: usize) -> Known {
    let rows = bytes.strip_prefix(MAGIC).unwrap_or_default();
    let length = 32 + 4 * dimension + SUM;
    let row = |row: &[u8]| {
        let (content, sum) = row.split_last_chunk::<SUM>()?;
        let (key, numbers) = content.split_first_chunk::<32>()?;
        let (numbers, _) = numbers.as_chunks::<4>();
        let vector = numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        (sum_of(content) == *sum).then_some((*key, vector))
    };
    let read: Vec<Option<(Key, Vector)>> = rows.chunks_exact(length).map(row).collect();
    let is_cut = bytes.is_empty() || MAGIC.len() + read.len() * length != bytes.len();
    let is_whole = !is_cut && read.iter().all(Option::is_some);
    Known { vectors: read.into_iter().flatten().collect(), is_whole }
}

fn sum_of(content: &[u8]) -> [u8; SUM] {
    let sum: [u8; 32] = Sha256::digest(content).into();
    sum.first_chunk().copied().unwrap_or_default()
}
