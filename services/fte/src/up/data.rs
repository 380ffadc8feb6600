//! The data folder: locked by one `fte up` at a time, with the secrets that were made
//! up, the log that was chosen, and what other commands need to find all of it.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use rand::TryRngCore as _;
use rand::rngs::OsRng;
use tempfile::TempDir;

const LOCK: &str = "lock";
const ENVIRONMENT: &str = "environment";
const LOG: &str = "log";

/// The folder, held until dropped; a temporary one is removed then.
#[derive(Debug)]
pub(crate) struct DataFolder {
    path: PathBuf,
    _lock: File,
    temporary: Option<TempDir>,
}

impl DataFolder {
    /// Opens or creates the folder. Fails when another `fte up` has it.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(path).with_context(|| path.display().to_string())?;
        Self::lock(path, None).with_context(|| path.display().to_string())
    }

    /// A folder for this run only.
    pub(crate) fn temporary() -> anyhow::Result<Self> {
        let temporary = tempfile::Builder::new().prefix("fte-data-").tempdir()?;
        // PostgreSQL may run as another user, whose folder lies inside.
        fs::set_permissions(temporary.path(), fs::Permissions::from_mode(0o755))?;
        let path = temporary.path().to_owned();
        Self::lock(&path, Some(temporary))
    }

    fn lock(path: &Path, temporary: Option<TempDir>) -> anyhow::Result<Self> {
        let lock = File::create(path.join(LOCK))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock, temporary }),
            Err(TryLockError::WouldBlock) => anyhow::bail!("another `fte up` uses this folder"),
            Err(TryLockError::Error(error)) => Err(error.into()),
        }
    }

    pub(crate) fn is_temporary(&self) -> bool {
        self.temporary.is_some()
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The secret of this name; made up and kept when it is not there.
    pub(crate) fn secret(&self, name: &str) -> anyhow::Result<String> {
        let path = self.join(name);
        match fs::read_to_string(&path) {
            Ok(text) if !text.trim().is_empty() => return Ok(text.trim().to_owned()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(|| path.display().to_string()),
        }
        let secret = random_secret()?;
        self.write_private(name, &format!("{secret}\n"))?;
        Ok(secret)
    }

    /// The word for the log that holds this folder's events; `None` in a new folder.
    pub(crate) fn kept_log(&self) -> Option<String> {
        let text = fs::read_to_string(self.join(LOG)).ok()?;
        Some(text.trim().to_owned()).filter(|word| !word.is_empty())
    }

    pub(crate) fn keep_log(&self, word: &str) -> anyhow::Result<()> {
        self.write_private(LOG, &format!("{word}\n"))
    }

    /// Tells other commands in this folder where everything is.
    pub(crate) fn write_environment(&self, values: &[(&str, &str)]) -> anyhow::Result<()> {
        let lines = values.iter().map(|(name, value)| format!("{name}={value}\n"));
        self.write_private(ENVIRONMENT, &lines.collect::<String>())
    }

    /// Nothing is to be found there any more.
    pub(crate) fn remove_environment(&self) {
        drop(fs::remove_file(self.join(ENVIRONMENT)));
    }

    /// Whole or not at all, and never readable by others, not even for a moment.
    fn write_private(&self, name: &str, text: &str) -> anyhow::Result<()> {
        let path = self.join(name);
        let new = self.join(&format!("{name}.new"));
        let write = || -> io::Result<()> {
            let mut options = File::options();
            let mut file =
                options.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
            file.write_all(text.as_bytes())?;
            fs::rename(&new, &path)
        };
        write().with_context(|| path.display().to_string())
    }
}

/// What a running `fte up` wrote for other commands, as variables and values.
pub(crate) fn read_environment(folder: &Path) -> Vec<(String, String)> {
    let text = fs::read_to_string(folder.join(ENVIRONMENT)).unwrap_or_default();
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// 256 bits, in letters that need no escape in a URL.
fn random_secret() -> anyhow::Result<String> {
    let mut bytes = [0_u8; 32];
    OsRng.try_fill_bytes(&mut bytes).context("no random bytes from the system")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_made_once_and_only_its_owner_reads_it() {
        let parent = tempfile::tempdir().unwrap();
        let folder = DataFolder::open(&parent.path().join("data")).unwrap();

        let secret = folder.secret("operator-token").unwrap();

        assert_eq!(folder.secret("operator-token").unwrap(), secret);
        assert_ne!(folder.secret("other").unwrap(), secret);
        let mode = folder.join("operator-token").metadata().unwrap().permissions().mode();
        assert_eq!((secret.len(), mode & 0o777), (64, 0o600));
    }

    #[test]
    fn a_folder_in_use_is_refused() {
        let parent = tempfile::tempdir().unwrap();
        let _first = DataFolder::open(parent.path()).unwrap();

        let second = DataFolder::open(parent.path());

        assert!(format!("{:#}", second.unwrap_err()).contains("another `fte up`"));
    }

    #[test]
    fn other_commands_find_what_a_running_up_wrote() {
        let parent = tempfile::tempdir().unwrap();
        let folder = DataFolder::open(parent.path()).unwrap();
        let url = "postgres://postgres:x@127.0.0.1:1/postgres?a=b";

        folder.write_environment(&[("DATABASE_URL", url)]).unwrap();
        assert_eq!(read_environment(parent.path()), [("DATABASE_URL".into(), url.into())]);

        folder.remove_environment();
        assert!(read_environment(parent.path()).is_empty());
    }
}
