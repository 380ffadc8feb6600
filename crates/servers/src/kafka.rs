//! A local one-node Apache Kafka in KRaft mode, on 127.0.0.1.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use tokio::time::{Instant, sleep};

use crate::error::ServerError;
use crate::folder::{Folder, last_line};
use crate::launch::{Launch, log_to, run_to_end};
use crate::port;
use crate::process::Process;
use crate::runtime::Runtime;

mod properties;
mod ready;

use properties::{Ports, properties};

const NAME: &str = "Apache Kafka";
/// Two seconds on a free machine; a test machine is seldom free.
const START_LIMIT: Duration = Duration::from_secs(90);
/// A controlled shutdown of one broker takes about a second.
const STOP_LIMIT: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(50);
/// The same for every local cluster: each has a folder of its own.
const CLUSTER_ID: &str = "ZnRlLWxvY2FsLWJyb2tlcg";

/// How to run a local broker.
#[derive(Debug, Clone, Default)]
pub struct KafkaOptions {
    /// Where its data stays; temporary when absent.
    pub folder: Option<PathBuf>,
    /// A free one when absent.
    pub port: Option<u16>,
    /// A second listener with TLS or SASL, as real clusters have.
    pub secured: Option<SecuredListener>,
    /// Lines for `server.properties` that override ours.
    pub properties: Vec<(String, String)>,
    /// Where the jars lie; found by itself when absent.
    pub runtime: Option<Runtime>,
}

/// A listener beside the plain one.
#[derive(Debug, Clone)]
pub struct SecuredListener {
    /// `SSL`, `SASL_PLAINTEXT` or `SASL_SSL`.
    pub protocol: String,
    /// PEM of the private key (PKCS #8) and of its certificate chain; for TLS.
    pub key_and_chain: Option<(String, String)>,
    /// Name and password of each SCRAM-SHA-256 user; for SASL. A new folder only:
    /// they are written when it is formatted.
    pub users: Vec<(String, String)>,
}

/// A running broker, ended when dropped.
#[derive(Debug)]
pub struct Kafka {
    process: Process,
    ports: Ports,
    folder: Folder,
}

impl Kafka {
    /// A throw-away broker for tests.
    pub async fn temporary() -> Result<Self, ServerError> {
        Self::start(KafkaOptions::default()).await
    }

    /// Formats the folder if needed, starts the broker and waits until it answers.
    pub async fn start(options: KafkaOptions) -> Result<Self, ServerError> {
        let runtime = options.runtime.clone().unwrap_or_else(Runtime::locate);
        let java = runtime.java()?;
        let class_path = runtime.kafka_class_path()?;
        let folder = Folder::prepare(options.folder.as_deref(), "fte-kafka-", None)?;
        let launch = Launch::new(java);
        // With data to keep: an orderly stop; else nothing is worth the time.
        let launch = launch.death_signal(if folder.is_temporary() { "KILL" } else { "TERM" });
        let broker = Broker { launch, class_path, folder, options };
        for _ in 1..port::TRIES {
            match broker.serve().await {
                Err(ServerError::PortTaken { .. }) if broker.options.port.is_none() => {}
                Err(error) => return Err(error),
                Ok((process, ports)) => return Ok(broker.running(process, ports)),
            }
        }
        let (process, ports) = broker.serve().await?;
        Ok(broker.running(process, ports))
    }

    /// `host:port` of the plain listener.
    pub fn bootstrap_servers(&self) -> String {
        format!("127.0.0.1:{}", self.ports.plain)
    }

    /// `host:port` of the secured listener; nothing listens there without one.
    pub fn secured_bootstrap_servers(&self) -> String {
        format!("127.0.0.1:{}", self.ports.secured)
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

    /// Waits until the broker ends, by whatever cause; cancel-safe.
    pub async fn exited(&self) {
        self.process.exited().await;
    }

    /// Freezes the whole broker (SIGSTOP): connections stay open and nothing answers.
    pub fn pause(&self) -> Result<(), ServerError> {
        self.process.signal(Signal::STOP)
    }

    pub fn resume(&self) -> Result<(), ServerError> {
        self.process.signal(Signal::CONT)
    }

    /// Kills it as a power cut would, as far as the process sees.
    pub async fn crash(&self) -> Result<(), ServerError> {
        self.process.kill().await
    }

    /// Writes everything out and stops.
    pub async fn stop(self) -> Result<(), ServerError> {
        if self.folder.is_temporary() {
            return self.process.kill().await;
        }
        self.process.stop(Signal::TERM, STOP_LIMIT).await
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        let is_temporary = self.folder.is_temporary();
        self.process.end_now(if is_temporary { Signal::KILL } else { Signal::TERM });
    }
}

/// All that every try of a start needs.
struct Broker {
    launch: Launch<'static>,
    class_path: std::ffi::OsString,
    folder: Folder,
    options: KafkaOptions,
}

impl Broker {
    fn running(self, process: Process, ports: Ports) -> Kafka {
        tracing::info!(server.port = ports.plain, "Apache Kafka is up");
        Kafka { process, ports, folder: self.folder }
    }

    async fn serve(&self) -> Result<(Process, Ports), ServerError> {
        let ports = self.choose_ports()?;
        let text = properties(&self.options, &self.folder, ports)?;
        let properties = self.folder.write("server.properties", &text, None)?;
        if !self.folder.join("data/meta.properties").exists() {
            self.format(&properties).await?;
        }
        let mut command = self.java();
        command.arg("kafka.Kafka").arg(&properties);
        let log = log_of(&self.folder);
        log_to(&mut command, &log)?;
        let process = Process::spawn(NAME, command).await?;
        match self.wait_until_ready(&process, ports.plain).await {
            Ok(()) => Ok((process, ports)),
            Err(ServerError::Ended { .. }) if port::is_taken(ports.plain) => {
                Err(ServerError::PortTaken { port: ports.plain })
            }
            Err(error) => {
                process.end_now(Signal::KILL);
                Err(error)
            }
        }
    }

    fn choose_ports(&self) -> Result<Ports, ServerError> {
        let [plain, secured, controller] = port::free()?;
        let plain = self.options.port.unwrap_or(plain);
        if port::is_taken(plain) {
            return Err(ServerError::PortTaken { port: plain });
        }
        Ok(Ports { plain, secured, controller })
    }

    async fn format(&self, properties: &std::path::Path) -> Result<(), ServerError> {
        tracing::info!("formatting the broker's folder");
        let mut command = self.java();
        command.args(["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c"]);
        command.arg(properties);
        let users = self.options.secured.iter().flat_map(|secured| &secured.users);
        for (name, password) in users {
            let user = format!("SCRAM-SHA-256=[name={name},password={password}]");
            command.arg("--add-scram").arg(user);
        }
        run_to_end(NAME, command, &log_of(&self.folder)).await
    }

    fn java(&self) -> Command {
        let mut command = self.launch.command();
        // Small heap and the collector with the fewest threads: it shares two cores
        // with everything else.
        command.args(["-Xmx512m", "-XX:+UseSerialGC", "-Xshare:auto"]);
        command.arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn");
        command.arg("-Dorg.slf4j.simpleLogger.showDateTime=true");
        command.arg("-cp").arg(&self.class_path).current_dir(self.folder.path());
        command
    }

    async fn wait_until_ready(&self, process: &Process, port: u16) -> Result<(), ServerError> {
        let deadline = Instant::now() + START_LIMIT;
        let log = || log_of(&self.folder);
        while !ready::answers(port).await {
            if process.has_exited() {
                let last_line = last_line(&log());
                return Err(ServerError::Ended { name: NAME, last_line, log: log() });
            }
            if Instant::now() > deadline {
                return Err(ServerError::NotReady { name: NAME, after: START_LIMIT, log: log() });
            }
            sleep(POLL).await;
        }
        Ok(())
    }
}

fn log_of(folder: &Folder) -> PathBuf {
    folder.join("kafka.log")
}
