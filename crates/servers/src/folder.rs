//! A server's folder: given and kept, or temporary and removed with the server.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::error::ServerError;
use crate::launch::User;

#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    /// Removes the folder when dropped.
    temporary: Option<TempDir>,
}

impl Folder {
    /// Makes the folder if needed and hands it to the user that runs the server.
    pub(crate) fn prepare(
        given: Option<&Path>,
        prefix: &str,
        user: Option<&User>,
    ) -> Result<Self, ServerError> {
        let folder = match given {
            Some(path) => {
                fs::create_dir_all(path).map_err(|source| failed(path, source))?;
                let path = path.canonicalize().map_err(|source| failed(path, source))?;
                Self { path, temporary: None }
            }
            None => {
                let temporary = tempfile::Builder::new().prefix(prefix).tempdir();
                let temporary =
                    temporary.map_err(|source| failed(&std::env::temp_dir(), source))?;
                Self { path: temporary.path().to_owned(), temporary: Some(temporary) }
            }
        };
        folder.hand_to(user)?;
        // It holds what customers wrote: nobody else on this machine reads it.
        fs::set_permissions(&folder.path, fs::Permissions::from_mode(0o700))
            .map_err(|source| failed(&folder.path, source))?;
        Ok(folder)
    }

    pub(crate) fn is_temporary(&self) -> bool {
        self.temporary.is_some()
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Writes a small file that only the server's user reads.
    pub(crate) fn write(
        &self,
        name: &str,
        content: &str,
        user: Option<&User>,
    ) -> Result<PathBuf, ServerError> {
        let path = self.join(name);
        let written = fs::write(&path, content)
            .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(0o600)))
            .and_then(|()| give(&path, user));
        written.map_err(|source| failed(&path, source))?;
        Ok(path)
    }

    fn hand_to(&self, user: Option<&User>) -> Result<(), ServerError> {
        let failed = |source| failed(&self.path, source);
        let owner = fs::metadata(&self.path).map_err(failed)?.uid();
        let runs_as = user.map_or_else(|| rustix::process::geteuid().as_raw(), |user| user.uid);
        if owner == runs_as {
            return Ok(());
        }
        let is_ours = owner == rustix::process::geteuid().as_raw();
        let is_empty = self.path.read_dir().map_err(failed)?.next().is_none();
        if !(is_ours && is_empty) {
            return Err(ServerError::ForeignFolder { path: self.path.clone() });
        }
        give(&self.path, user).map_err(failed)
    }
}

fn give(path: &Path, user: Option<&User>) -> io::Result<()> {
    user.map_or(Ok(()), |user| chown(path, Some(user.uid), Some(user.gid)))
}

fn failed(path: &Path, source: io::Error) -> ServerError {
    ServerError::Folder { path: path.to_owned(), source }
}

/// The last line of a log that says something; logs may be long, so only the end is read.
pub(crate) fn last_line(log: &Path) -> String {
    const TAIL_BYTES: u64 = 8192;
    let read = || -> io::Result<String> {
        let mut file = File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let text = read().unwrap_or_default();
    let telling = |line: &&str| {
        let line = line.trim_start();
        !line.is_empty() && !line.starts_with("at ") && !line.starts_with("...")
    };
    text.lines().rfind(telling).unwrap_or("it said nothing").trim().to_owned()
}
