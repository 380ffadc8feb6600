//! A file that only saves time: what is not whole counts as not there, and what cannot be
//! written is made again.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use sha2::{Digest as _, Sha256};

/// Content that can be computed again, in one file.
#[derive(Debug)]
pub struct Kept {
    file: PathBuf,
    is_told: AtomicBool,
}

impl Kept {
    /// Nothing is read or written yet.
    pub fn new(file: PathBuf) -> Self {
        Self { file, is_told: AtomicBool::new(false) }
    }

    /// What was written under this key; `None` if that is not there or not whole. Blocks.
    pub fn read(&self, key: &[u8; 32]) -> Option<Vec<u8>> {
        let mut bytes = self.bytes();
        let (content, sum) = bytes.split_last_chunk::<32>()?;
        let is_whole = seal(key, content) == *sum;
        bytes.truncate(content.len());
        is_whole.then_some(bytes)
    }

    /// Keeps content under a key instead of what was there. Blocks.
    pub fn write(&self, key: &[u8; 32], mut content: Vec<u8>) {
        let sum = seal(key, &content);
        content.extend(sum);
        self.tell(self.replace(&content));
    }

    /// All that the file holds; nothing if it is not there.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        std::fs::read(&self.file).unwrap_or_default()
    }

    /// Replaces the file at once: who reads it meanwhile reads the old one.
    pub(crate) fn replace(&self, bytes: &[u8]) -> io::Result<()> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let new = self.file.with_extension(format!("{}-{number}.new", std::process::id()));
        let written = std::fs::write(&new, bytes).and_then(|()| std::fs::rename(&new, &self.file));
        if written.is_err() {
            // It may never have been there.
            drop(std::fs::remove_file(&new));
        }
        written
    }

    /// Adds to the end of the file in one piece; a file that is not there is an error.
    pub(crate) fn append(&self, bytes: &[u8]) -> io::Result<()> {
        let mut file = std::fs::OpenOptions::new().append(true).open(&self.file)?;
        io::Write::write_all(&mut file, bytes)
    }

    /// Says once that there will be no file.
    pub(crate) fn tell(&self, written: io::Result<()>) {
        if let Err(error) = written
            && !self.is_told.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(
                cache.file = %self.file.display(),
                error.kind = %error.kind(),
                "what was computed cannot be kept and is computed at every start"
            );
        }
    }
}

fn seal(key: &[u8; 32], content: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(key).chain_update(content).finalize().into()
}
