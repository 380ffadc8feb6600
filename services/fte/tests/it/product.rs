//! A running `fte up`: started, found, signalled and stopped.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use sqlx::PgPool;
use testkit::wait_within;

/// Servers, six services and a debug build on a busy machine.
const START_LIMIT: Duration = Duration::from_secs(240);
const STOP_LIMIT: Duration = Duration::from_secs(60);

const TOP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

pub(crate) struct Product {
    child: Child,
    said: Said,
    data: tempfile::TempDir,
    pub(crate) http: reqwest::Client,
    pub(crate) url: String,
    pub(crate) token: String,
}

/// What it wrote so far, for waiting and for the message of a failed test.
#[derive(Clone, Default)]
struct Said(Arc<Mutex<Vec<String>>>);

impl Said {
    fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    /// The text behind a heading such as `form`.
    fn value(&self, heading: &str) -> Option<String> {
        let lines = self.lines();
        let line = lines.iter().find(|line| line.starts_with(&format!("{heading} ")))?;
        Some(line.get(heading.len()..)?.trim().to_owned())
    }
}

/// The command without settings of the tests' own environment.
pub(crate) fn fte(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fte"));
    // From the top of the repository, as the README says: articles and policy lie there.
    command.args(arguments).stdin(Stdio::null()).current_dir(TOP);
    let services = ["DATABASE_URL", "KAFKA_BOOTSTRAP_SERVERS", "FTE_BUS", "FTE_DATA"];
    let twilio = ["TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "TWILIO_WHATSAPP_FROM"];
    let gmail = ["GMAIL_ADDRESS", "GMAIL_CLIENT_ID", "GMAIL_CLIENT_SECRET", "GMAIL_REFRESH_TOKEN"];
    let emulators = ["TWILIO_API_BASE_URL", "GMAIL_API_BASE_URL"];
    let model = ["FTE_MODEL_PROVIDER", "OPENAI_API_KEY", "OPENAI_BASE_URL", "EMBEDDING_MODEL"];
    let services = services.into_iter().chain(model);
    for variable in services.chain(twilio).chain(gmail).chain(emulators) {
        command.env_remove(variable);
    }
    command
}

/// Runs a command that must end by itself.
pub(crate) async fn to_end(command: Command) -> Output {
    let mut command = tokio::process::Command::from(command);
    let output = command.kill_on_drop(true).output();
    tokio::time::timeout(START_LIMIT, output).await.expect("it did not end").unwrap()
}

impl Product {
    /// Starts everything on a free port with a new data folder and waits until it is ready.
    pub(crate) async fn start(arguments: &[&str]) -> Self {
        let data = data_folder();
        Self::start_in(data, arguments).await
    }

    pub(crate) async fn start_in(data: tempfile::TempDir, arguments: &[&str]) -> Self {
        Self::start_with(data, arguments, &[]).await
    }

    /// As [`Product::start_in`], with variables of its own.
    pub(crate) async fn start_with(
        data: tempfile::TempDir,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        let folder = data.path().to_str().unwrap().to_owned();
        let mut command = fte(&["up", "--listen", "127.0.0.1:0", "--data", &folder]);
        command.args(arguments).env("FTE_RATE_LIMITS", "off").env("RUST_LOG", "warn");
        command.envs(environment.iter().copied());
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let said = Said::default();
        let (errors, hearing) = (child.stderr.take().unwrap(), said.clone());
        std::thread::spawn(move || {
            for line in BufReader::new(errors).lines().map_while(Result::ok) {
                hearing.0.lock().unwrap().push(line);
            }
        });
        let mut product = Self {
            child,
            said,
            data,
            http: reqwest::Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .build()
                .unwrap(),
            url: String::new(),
            token: String::new(),
        };
        let is_ready = || std::future::ready(product.is_ready());
        wait_within(START_LIMIT, "fte up to be ready", is_ready).await;
        let form = product.said.value("form").unwrap();
        product.url = form.strip_suffix("/support").unwrap().to_owned();
        product.token = fs::read_to_string(product.data.path().join("operator-token")).unwrap();
        product.token = product.token.trim().to_owned();
        product
    }

    fn is_ready(&self) -> bool {
        assert!(
            Path::new(&format!("/proc/{}", self.child.id())).exists(),
            "{:#?}",
            self.said.lines()
        );
        self.said.value("ready").is_some()
    }

    /// The text that it printed behind a heading.
    pub(crate) fn said(&self, heading: &str) -> Option<String> {
        self.said.value(heading)
    }

    /// Ends it, and gives back everything that it wrote.
    pub(crate) async fn stop_and_read(self) -> Vec<String> {
        let said = self.said.clone();
        self.stop().await;
        said.lines()
    }

    /// What it left for other commands.
    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        let environment = fs::read_to_string(self.data.path().join("environment")).unwrap();
        let value = |line: &str| Some(line.strip_prefix(name)?.strip_prefix('=')?.to_owned());
        environment.lines().find_map(value)
    }

    /// The database that it uses.
    pub(crate) async fn database(&self) -> PgPool {
        PgPool::connect(&self.variable("DATABASE_URL").unwrap()).await.unwrap()
    }

    /// A command beside it, run to its end.
    pub(crate) async fn command(&self, arguments: &[&str]) -> Output {
        let mut command = fte(arguments);
        command.env("FTE_DATA", self.data.path());
        to_end(command).await
    }

    /// Asks the database and the providers whether the run broke a promise, and decides each
    /// of its turns again.
    pub(crate) async fn every_promise_holds(&self) {
        for command in [&["verify"][..], &["ledger"], &["turns", "replay", "--all"]] {
            let output = self.command(command).await;
            let said = String::from_utf8_lossy(&output.stdout);
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "fte {command:?}: {said}{errors}");
        }
    }

    /// Its child that runs this program.
    pub(crate) fn child_running(&self, program: &str) -> Option<u32> {
        children_of(self.child.id()).into_iter().find(|pid| {
            let executable = fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
            executable.file_name().is_some_and(|name| name == program)
        })
    }

    pub(crate) fn children(&self) -> Vec<u32> {
        children_of(self.child.id())
    }

    /// Ends it as a service manager does, and gives back its folder.
    pub(crate) async fn stop(mut self) -> (ExitStatus, tempfile::TempDir) {
        kill(self.child.id(), Signal::TERM);
        let mut status = None;
        wait_within(STOP_LIMIT, "fte up to stop", || {
            status = self.child.try_wait().unwrap();
            std::future::ready(status.is_some())
        })
        .await;
        let data = std::mem::replace(&mut self.data, data_folder());
        (status.unwrap(), data)
    }
}

impl Drop for Product {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("fte up said:\n{}", self.said.lines().join("\n"));
        }
        // Its servers and services notice and follow.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Open to other users: PostgreSQL may run as one.
pub(crate) fn data_folder() -> tempfile::TempDir {
    let folder = tempfile::Builder::new().prefix("fte-e2e-").tempdir().unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(folder.path(), open).unwrap();
    folder
}

pub(crate) fn kill(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(pid.cast_signed()).unwrap();
    kill_process(pid, signal).unwrap();
}

pub(crate) fn is_alive(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

fn children_of(parent: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| parent_of(*pid) == Some(parent)).collect()
}

fn parent_of(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(PathBuf::from(format!("/proc/{pid}/stat"))).ok()?;
    // The name in brackets may hold anything; state and parent follow it.
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(1)?.parse().ok()
}
