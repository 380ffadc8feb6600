//! Vectors of texts that stand in files, by their content: computed once, read from
//! then on. The file is a convenience: without it everything is computed again.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use sha2::{Digest as _, Sha256};

use crate::Vector;

/// Beyond it the file holds mostly what no file has any more: it is then begun anew.
const MOST: usize = 20_000;

/// The first bytes of the file; another form of it gets another number.
const MAGIC: &[u8; 8] = b"vectors1";

type Key = [u8; 32];

/// The vectors of one model in one file of a folder.
#[derive(Debug)]
pub struct Cache {
    file: PathBuf,
    model: String,
    dimension: usize,
    is_told: AtomicBool,
}

impl Cache {
    /// The file is named after the model: another one has another.
    pub fn new(folder: &Path, model: &str, dimension: usize) -> Self {
        let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
        let name: String = model.chars().map(plain).collect();
        let file = folder.join(format!("{name}.{dimension}.vectors"));
        Self { file, model: model.to_owned(), dimension, is_told: AtomicBool::new(false) }
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
            if !known.contains_key(key) {
                wanted.insert(*key, text);
            }
        }
        if !wanted.is_empty() {
            let (new, texts): (Vec<Key>, Vec<String>) = wanted.into_iter().unzip();
            let computed = compute(texts).await?;
            // Another process may have added its own meanwhile.
            known.extend(self.read().await);
            known.extend(new.into_iter().zip(computed));
            if known.len() > MOST {
                known.retain(|key, _| keys.contains(key));
            }
            self.write(&known).await;
        }
        Ok(keys.iter().map(|key| known.get(key).cloned().unwrap_or_default()).collect())
    }

    fn key(&self, text: &str) -> Key {
        let mut hash = Sha256::new();
        hash.update((self.model.len() as u64).to_be_bytes());
        hash.update(&self.model);
        hash.update(text);
        hash.finalize().into()
    }

    /// What the file holds; nothing if it is not there or not whole.
    async fn read(&self) -> HashMap<Key, Vector> {
        let bytes = tokio::fs::read(&self.file).await.unwrap_or_default();
        self.parse(&bytes).unwrap_or_default()
    }

    fn parse(&self, bytes: &[u8]) -> Option<HashMap<Key, Vector>> {
        let (content, sum) = bytes.split_last_chunk::<32>()?;
        if Sha256::digest(content).as_slice() != sum {
            return None;
        }
        let rows = content.strip_prefix(MAGIC)?.chunks_exact(32 + 4 * self.dimension);
        let row = |row: &[u8]| {
            let (key, numbers) = row.split_first_chunk::<32>()?;
            let (numbers, _) = numbers.as_chunks::<4>();
            Some((*key, numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()))
        };
        rows.map(row).collect()
    }

    /// Replaces the file at once: who reads it meanwhile reads the old one.
    async fn write(&self, vectors: &HashMap<Key, Vector>) {
        let mut bytes = MAGIC.to_vec();
        for (key, vector) in vectors {
            if vector.len() == self.dimension {
                bytes.extend(key);
                bytes.extend(vector.iter().flat_map(|number| number.to_le_bytes()));
            }
        }
        let sum = Sha256::digest(&bytes);
        bytes.extend_from_slice(&sum);
        if let Err(error) = self.replace(&bytes).await
            && !self.is_told.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(
                cache.file = %self.file.display(),
                error.kind = %error.kind(),
                "vectors cannot be kept and are computed at every start"
            );
        }
    }

    async fn replace(&self, bytes: &[u8]) -> io::Result<()> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let new = self.file.with_extension(format!("{}-{number}.new", std::process::id()));
        let written = async {
            tokio::fs::write(&new, bytes).await?;
            tokio::fs::rename(&new, &self.file).await
        };
        let result = written.await;
        if result.is_err() {
            // It may never have been there.
            drop(tokio::fs::remove_file(&new).await);
        }
        result
    }
}
