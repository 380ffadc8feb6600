//! The files of one folder, read once, and the hash of what was read.

use std::path::Path;

use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use crate::hex::hex;
use crate::policy::{PolicyError, wrong};

/// Reads files of one folder and keeps the hash of what it read.
pub(crate) struct Folder<'a> {
    pub(crate) path: &'a Path,
    /// Stands before the names of its files in errors.
    within: &'static str,
    hash: Sha256,
}

impl<'a> Folder<'a> {
    pub(crate) fn new(path: &'a Path, within: &'static str) -> Self {
        Self { path, within, hash: Sha256::new() }
    }

    pub(crate) fn text(&mut self, file: &str) -> Result<String, PolicyError> {
        let text = std::fs::read_to_string(self.path.join(file))
            .map_err(|error| wrong(&self.name(file), "file", error))?;
        for part in [file, text.as_str()] {
            self.hash.update((part.len() as u64).to_be_bytes());
            self.hash.update(part);
        }
        Ok(text)
    }

    pub(crate) fn read<T: DeserializeOwned>(&mut self, file: &str) -> Result<T, PolicyError> {
        let text = self.text(file)?;
        serde_saphyr::from_str(&text).map_err(|error| {
            let problem = error.to_string();
            let field = problem.split('`').nth(1).unwrap_or("yaml").to_owned();
            wrong(&self.name(file), field, problem)
        })
    }

    /// Counts what was read elsewhere as read here.
    pub(crate) fn add(&mut self, hash: &str) {
        self.hash.update(hash);
    }

    /// SHA-256 of everything read, in hexadecimal.
    pub(crate) fn hash(self) -> String {
        hex(self.hash.finalize())
    }

    /// As an error names a file.
    pub(crate) fn name(&self, file: &str) -> String {
        format!("{}{file}", self.within)
    }
}
