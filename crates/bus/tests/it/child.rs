//! Members in processes of their own, to be killed and frozen: this test binary again.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use bus::{Bus, BusConfig, ConsumerSettings, Failure, Handler, Outcome, PostgresConfig, Received};
use contract::{ConversationId, TicketEvent, Topic, WebformInbound};
use sqlx::PgPool;
use testkit::wait_within;
use tokio_util::sync::CancellationToken;

use crate::fixture::{Fixture, shared_kafka};
use crate::member::{Each, GROUP, settings};

const SCENARIO: &str = "FTE_BUS_CHILD";
const PREFIX: &str = "FTE_BUS_PREFIX";
const DATABASE: &str = "FTE_BUS_DATABASE";

/// A line of a child that handled something, apart from what the test harness prints.
const MARK: &str = "handled ";

const LIMIT: Duration = Duration::from_secs(30);

pub(crate) struct Child {
    process: std::process::Child,
    lines: Receiver<String>,
    handled: Vec<(ConversationId, u64)>,
    count: usize,
}

impl Child {
    /// Starts a member of the log's group.
    pub(crate) fn start(log: &Fixture, scenario: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "child::child_process", "--nocapture", "--test-threads=1"]);
        command.env(SCENARIO, scenario);
        match &log.config {
            BusConfig::Kafka(config) => command.env(PREFIX, &config.prefix),
            BusConfig::Postgres(_) => {
                let options = log.pool.connect_options();
                command.env(DATABASE, options.get_database().unwrap())
            }
        };
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = channel();
        let stdout = BufReader::new(process.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self { process, lines, handled: Vec::new(), count: 0 }
    }

    /// Waits until it has handled so many events; gives all it has handled.
    pub(crate) async fn lines_until(&mut self, count: usize) -> Vec<(ConversationId, u64)> {
        wait_within(LIMIT, "the other process", || {
            while let Ok(line) = self.lines.try_recv() {
                // The harness leaves its own text on the first line.
                let Some((_, text)) = line.split_once(MARK) else { continue };
                self.count += 1;
                if let Some((key, seq)) = text.split_once(' ') {
                    self.handled.push((key.parse().unwrap(), seq.parse().unwrap()));
                }
            }
            std::future::ready(self.count >= count)
        })
        .await;
        self.handled.clone()
    }

    /// As `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    pub(crate) fn freeze(&self) {
        self.signal("STOP");
    }

    pub(crate) fn thaw(&self) {
        self.signal("CONT");
    }

    fn signal(&self, signal: &str) {
        let pid = self.process.id().to_string();
        let sent = Command::new("kill").args(["-s", signal, &pid]).status().unwrap();
        assert!(sent.success());
    }

    pub(crate) fn resident_bytes(&self) -> usize {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        let kib: usize = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        kib * 1_024
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Ended already where the test came to its end.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// No test: what the other process runs. Does nothing without a scenario.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_process() {
    let Ok(scenario) = std::env::var(SCENARIO) else { return };
    let log = fixture();
    let bus = Bus::connect(log.config, log.pool).await.unwrap();
    match scenario.as_str() {
        "slow" => slow(bus).await,
        "stuck" => stuck(bus).await,
        other => panic!("no scenario {other}"),
    }
}

fn fixture() -> Fixture {
    match std::env::var(PREFIX) {
        Ok(prefix) => Fixture { config: shared_kafka(&prefix), pool: crate::fixture::database() },
        Err(_) => {
            let database = std::env::var(DATABASE).unwrap();
            let server = crate::fixture::database();
            let options = (*server.connect_options()).clone().database(&database);
            let pool = PgPool::connect_lazy_with(options);
            Fixture { config: BusConfig::Postgres(PostgresConfig::default()), pool }
        }
    }
}

fn say(text: &str) {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{MARK}{text}").unwrap();
    stdout.flush().unwrap();
}

/// Handles at a pace that leaves time to be killed.
async fn slow(bus: Bus) {
    let mut settings = settings();
    settings.in_flight = 8;
    let handler = Each(|event: TicketEvent, _: Received| {
        let handled: futures::future::BoxFuture<'static, _> = Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(10)).await;
            say(&format!("{} {}", event.conversation_id, event.seq()));
            Ok(Outcome::Done)
        });
        handled
    });
    bus.consume(settings, handler, CancellationToken::new()).await.unwrap();
}

/// Never finishes anything.
struct Stuck;

impl Handler for Stuck {
    type Event = WebformInbound;

    async fn handle(&self, _: WebformInbound, _: &Received) -> Result<Outcome, Failure> {
        say("nothing");
        std::future::pending().await
    }
}

async fn stuck(bus: Bus) {
    let mut settings = ConsumerSettings::new(GROUP, Topic::WebformInbound);
    settings.buffer_bytes = 4 << 20;
    bus.consume(settings, Stuck, CancellationToken::new()).await.unwrap();
}
