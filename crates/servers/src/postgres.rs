//! A local PostgreSQL 18 with pgvector, on 127.0.0.1 and without a socket file.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;
use tokio::time::{Instant, sleep};

use crate::error::ServerError;
use crate::folder::{Folder, last_line};
use crate::launch::{Launch, User, log_to, run_to_end, settings};
use crate::port;
use crate::process::Process;
use crate::runtime::Runtime;

const NAME: &str = "PostgreSQL";
/// Recovery after a crash takes seconds; a slow disk gets more.
const START_LIMIT: Duration = Duration::from_secs(60);
/// A fast shutdown writes one checkpoint.
const STOP_LIMIT: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(20);

/// How to run a local PostgreSQL.
#[derive(Debug, Clone, Default)]
pub struct PostgresOptions {
    /// Where its data stays; temporary when absent.
    pub folder: Option<PathBuf>,
    /// A free one when absent.
    pub port: Option<u16>,
    /// Asked of every connection; without one everyone on this machine gets in.
    pub password: Option<String>,
    /// Whether a commit survives a power cut. Off makes tests faster.
    pub durable: bool,
    /// Where the programs lie; found by itself when absent.
    pub runtime: Option<Runtime>,
}

/// A running PostgreSQL, ended when dropped.
#[derive(Debug)]
pub struct Postgres {
    process: Process,
    port: u16,
    password: Option<String>,
    folder: Folder,
}

impl Postgres {
    /// A throw-away server for tests.
    pub async fn temporary() -> Result<Self, ServerError> {
        Self::start(PostgresOptions::default()).await
    }

    /// Makes the data folder if needed, starts the server and waits until it answers.
    pub async fn start(options: PostgresOptions) -> Result<Self, ServerError> {
        let runtime = options.runtime.clone().unwrap_or_else(Runtime::locate);
        let bin = runtime.postgres_bin()?;
        let bin = bin.canonicalize().unwrap_or(bin);
        let user = User::instead_of_root(&[&bin.join("postgres")])?;
        let folder = Folder::prepare(options.folder.as_deref(), "fte-postgres-", user.as_ref())?;
        let user = user.map(|user| user.reaching(&[&bin.join("postgres"), folder.path()]));
        let user = user.transpose()?;
        let installation = Installation { bin, user, options };
        installation.create_data(&folder).await?;
        for _ in 1..port::TRIES {
            match installation.serve(&folder).await {
                Err(ServerError::PortTaken { .. }) if installation.options.port.is_none() => {}
                Err(error) => return Err(error),
                Ok((process, port)) => return Ok(installation.running(process, port, folder)),
            }
        }
        let (process, port) = installation.serve(&folder).await?;
        Ok(installation.running(process, port, folder))
    }

    /// The URL of a database for its superuser `postgres`.
    pub fn url(&self, database: &str) -> String {
        let password = self.password.as_ref().map(|password| format!(":{password}"));
        let password = password.unwrap_or_default();
        format!("postgres://postgres{password}@127.0.0.1:{}/{database}", self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    pub fn log(&self) -> PathBuf {
        log_of(&self.folder)
    }

    pub fn is_running(&self) -> bool {
        !self.process.has_exited()
    }

    /// Waits until the server ends, by whatever cause; cancel-safe.
    pub async fn exited(&self) {
        self.process.exited().await;
    }

    /// Stops accepting and answering new connections (SIGSTOP of the first process);
    /// connections that exist go on in processes of their own.
    pub fn pause(&self) -> Result<(), ServerError> {
        self.process.signal(Signal::STOP)
    }

    pub fn resume(&self) -> Result<(), ServerError> {
        self.process.signal(Signal::CONT)
    }

    /// Crashes it: no checkpoint, connections cut.
    pub async fn crash(&self) -> Result<(), ServerError> {
        self.process.stop(Signal::QUIT, STOP_LIMIT).await
    }

    /// Ends every connection, writes a checkpoint and stops.
    pub async fn stop(self) -> Result<(), ServerError> {
        self.process.stop(Signal::INT, STOP_LIMIT).await
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // QUIT also ends the processes of its connections, which a kill would leave behind.
        self.process.end_now(Signal::QUIT);
    }
}

/// The programs, the user and the wishes: what every step of a start needs.
struct Installation {
    bin: PathBuf,
    user: Option<User>,
    options: PostgresOptions,
}

impl Installation {
    fn running(self, process: Process, port: u16, folder: Folder) -> Postgres {
        tracing::info!(server.port = port, "PostgreSQL is up");
        Postgres { process, port, password: self.options.password, folder }
    }

    async fn create_data(&self, folder: &Folder) -> Result<(), ServerError> {
        let data = folder.join("data");
        // Written last by initdb: a folder without it is what an interrupted run left.
        if data.join("PG_VERSION").exists() && data.join("global/pg_control").exists() {
            return Ok(());
        }
        tracing::info!("creating the database folder");
        if data.exists() {
            fs::remove_dir_all(&data)
                .map_err(|source| ServerError::Folder { path: data.clone(), source })?;
        }
        let mut command = Launch::new(self.bin.join("initdb")).user(self.user.as_ref()).command();
        command.arg("-D").arg(&data).args(["-U", "postgres", "-E", "UTF8", "--locale=C"]);
        command.args(["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]);
        if !self.options.durable {
            command.arg("--no-sync");
        }
        let mut password_file = None;
        if let Some(password) = &self.options.password {
            let file = folder.write("password", password, self.user.as_ref())?;
            command.arg("--auth=scram-sha-256").arg("--pwfile").arg(&file);
            // Iterations make guessing dear; these passwords are random and need none, and
            // thousands of them would cost a debug build seconds per pool.
            command.args(["--set", "scram_iterations=1"]);
            password_file = Some(file);
        } else {
            command.arg("--auth=trust");
        }
        let done = run_to_end(NAME, command, &log_of(folder)).await;
        if let Some(file) = password_file {
            drop(fs::remove_file(file));
        }
        done
    }

    async fn serve(&self, folder: &Folder) -> Result<(Process, u16), ServerError> {
        let port = match self.options.port {
            Some(port) if port::is_taken(port) => return Err(ServerError::PortTaken { port }),
            Some(port) => port,
            None => {
                let [port] = port::free()?;
                port
            }
        };
        let data = folder.join("data");
        let log = log_of(folder);
        let launch = Launch::new(self.bin.join("postgres")).user(self.user.as_ref());
        // With data to keep: a fast shutdown; else nothing is worth a checkpoint.
        let death = if folder.is_temporary() { "QUIT" } else { "INT" };
        let mut command = launch.death_signal(death).command();
        command.arg("-D").arg(&data).arg("-p").arg(port.to_string());
        settings(&mut command, &SETTINGS);
        if !self.options.durable {
            settings(&mut command, &[("fsync", "off"), ("full_page_writes", "off")]);
        }
        log_to(&mut command, &log)?;
        let process = Process::spawn(NAME, command).await?;
        match wait_until_ready(&process, &data, &log).await {
            Ok(()) => Ok((process, port)),
            Err(ServerError::Ended { .. }) if port::is_taken(port) => {
                Err(ServerError::PortTaken { port })
            }
            Err(error) => {
                process.end_now(Signal::QUIT);
                Err(error)
            }
        }
    }
}

/// Sized for a small machine that it shares with everything else.
const SETTINGS: [(&str, &str); 9] = [
    ("listen_addresses", "127.0.0.1"),
    ("unix_socket_directories", ""),
    ("shared_buffers", "256MB"),
    ("max_connections", "200"),
    ("synchronous_commit", "on"),
    ("max_wal_size", "2GB"),
    ("jit", "off"),
    ("log_checkpoints", "off"),
    ("timezone", "UTC"),
];

fn log_of(folder: &Folder) -> PathBuf {
    folder.join("postgres.log")
}

/// The server writes `ready` into its pid file once it takes connections.
async fn wait_until_ready(process: &Process, data: &Path, log: &Path) -> Result<(), ServerError> {
    let deadline = Instant::now() + START_LIMIT;
    let pid = process.pid().to_string();
    loop {
        let file = fs::read_to_string(data.join("postmaster.pid")).unwrap_or_default();
        let mut lines = file.lines().map(str::trim);
        // An old file may lie there after a crash.
        if lines.next() == Some(&pid) && lines.any(|line| line == "ready") {
            return Ok(());
        }
        if process.has_exited() {
            let log = log.to_owned();
            return Err(ServerError::Ended { name: NAME, last_line: last_line(&log), log });
        }
        if Instant::now() > deadline {
            let log = log.to_owned();
            return Err(ServerError::NotReady { name: NAME, after: START_LIMIT, log });
        }
        sleep(POLL).await;
    }
}
