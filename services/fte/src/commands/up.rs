//! `fte up`: database, log and every service on this machine, behind one origin.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use chassis::Context;
use chassis::settings::{BusKind, KafkaSettings, ProcessSettings};
use chassis::telemetry::Telemetry;
use clap::Args;
use secrecy::SecretString;
use sqlx::PgPool;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::commands::{kb, migrate};
use crate::processes::Program;
use crate::up::data::DataFolder;
use crate::up::database::Database;
use crate::up::gmail::Gmail;
use crate::up::log::{self, Log};
use crate::up::model::{self, Model};
use crate::up::origin::Origin;
use crate::up::service::Service;
use crate::up::settings::Settings;
use crate::up::twilio::Twilio;
use crate::up::{Proxy, in_process, processes, told};

pub(crate) const DATA_FOLDER: &str = "data";
/// How long the services may take to be ready before that is said.
const READY_LIMIT: Duration = Duration::from_secs(60);
const READY_POLL: Duration = Duration::from_millis(50);
/// How much longer than the drain time the whole may live after a signal.
const DRAIN_MARGIN: Duration = Duration::from_secs(5);

/// Run everything on this machine
///
/// Without DATABASE_URL it brings its own PostgreSQL; without KAFKA_BOOTSTRAP_SERVERS its own
/// Apache Kafka where Java is, else the log stands in the database. Data and made-up secrets stay
/// in the data folder, as does the choice of the log. Other commands in the same folder find what
/// runs here. Ctrl-C finishes running work; a second one does not.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Address of the one origin
    #[arg(long, env = "FTE_LISTEN", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Where data and secrets stay
    #[arg(long, env = "FTE_DATA", value_name = "FOLDER", default_value = DATA_FOLDER)]
    data: PathBuf,
    /// Keep nothing: a data folder for this run only
    #[arg(long)]
    ephemeral: bool,
    /// Run each service as its own process
    #[arg(long)]
    processes: bool,
    /// Which log to use; when absent what the data folder has, else Kafka where possible
    #[arg(long, env = "FTE_BUS")]
    bus: Option<BusKind>,
    /// PostgreSQL as postgres://user:password@host:port/database; its own when absent
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: Option<SecretString>,
    /// Key for status tokens; made up when absent
    #[arg(long, env = "FTE_SECRET", hide_env_values = true)]
    pub(crate) secret: Option<SecretString>,
    /// Operators as name:token, comma-separated; one is made up when absent
    #[arg(long, env = "OPERATOR_TOKENS", hide_env_values = true)]
    pub(crate) operator_tokens: Option<SecretString>,
    /// Public origin; the address of this one when absent
    #[arg(long, env = "PUBLIC_BASE_URL")]
    pub(crate) public_base_url: Option<String>,
    /// Which model drafts answers
    #[arg(long, value_enum, default_value_t)]
    model: model::Choice,
    /// Folder with the articles that the agent answers from
    #[arg(long, env = "FTE_KNOWLEDGE_DIR", value_name = "FOLDER", default_value = "knowledge")]
    knowledge_dir: PathBuf,
    #[command(flatten)]
    kafka: KafkaSettings,
    #[command(flatten)]
    pub(crate) process: ProcessSettings,
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    // Before anything that takes time: two of the mistakes that people make.
    let listener = listen(arguments.listen).await?;
    let folder = match arguments.ephemeral {
        true => DataFolder::temporary()?,
        false => DataFolder::open(&arguments.data)?,
    };
    let telemetry = Telemetry::install("fte", &arguments.process)?;
    let context = Context::new("fte", telemetry.registry());
    context.cancel_on_signal();
    let result = run_until_shutdown(&arguments, &folder, &context, listener).await;
    folder.remove_environment();
    telemetry.shut_down().await;
    result.map(|()| ExitCode::SUCCESS)
}

async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            anyhow::anyhow!("{address} is in use: stop what listens there, or choose --listen")
        }
        _ => anyhow::Error::new(error).context(format!("cannot listen on {address}")),
    })
}

async fn run_until_shutdown(
    arguments: &Arguments,
    folder: &DataFolder,
    context: &Context,
    listener: TcpListener,
) -> anyhow::Result<()> {
    let started = tokio::select! {
        started = start_servers(arguments, folder) => started?,
        // Whatever was started is ended by being dropped.
        () = context.shutdown.cancelled() => return Ok(()),
    };
    let served = serve(arguments, folder, context, listener, &started).await;
    if let Some(broker) = started.log.broker {
        broker.stop().await?;
    }
    if let Some(server) = started.database.server {
        server.stop().await?;
    }
    served
}

/// Database and log, with everything in them that the services expect.
struct Started {
    database: Database,
    log: Log,
}

async fn start_servers(arguments: &Arguments, folder: &DataFolder) -> anyhow::Result<Started> {
    let database = Database::start(arguments.database_url.clone(), folder).await?;
    say("database", &database.describe());
    let pool = database.connect().await?;
    migrate::apply(&pool).await?;
    let log = log::start(&arguments.kafka, arguments.bus, folder, &pool).await?;
    say("log", &log.describe());
    say("knowledge", &load_knowledge(&pool, &arguments.knowledge_dir).await?);
    pool.close().await;
    Ok(Started { database, log })
}

async fn load_knowledge(pool: &PgPool, folder: &Path) -> anyhow::Result<String> {
    if folder.is_dir() {
        return kb::load(pool, &told::embedder()?, folder).await;
    }
    let place = folder.display();
    Ok(format!("no folder {place}: what the database holds stays, see `fte kb load`"))
}

async fn serve(
    arguments: &Arguments,
    folder: &DataFolder,
    context: &Context,
    listener: TcpListener,
    started: &Started,
) -> anyhow::Result<()> {
    let url = format!("http://{}", listener.local_addr()?);
    let (mut settings, token) =
        told::settings(arguments, folder, &started.database, &started.log, &url)?;
    let twilio = Twilio::start(folder, &url).await?;
    twilio.tell(&mut settings, folder, &url)?;
    let is_found = !arguments.ephemeral && arguments.data == Path::new(DATA_FOLDER);
    say("whatsapp", &twilio.describe(is_found));
    let gmail = Gmail::start(folder, &url).await?;
    gmail.tell(&mut settings);
    say("email", &gmail.describe(is_found));
    let model = Model::start(arguments.model).await?;
    model.tell(&mut settings);
    say("model", &model.describe());
    told::write_environment(folder, &settings, &url, token.as_deref())?;
    let (origin, mut tasks) = start_services(arguments, context, settings).await?;
    let (router, shutdown) = (origin.clone().router(), context.shutdown.clone());
    tasks.spawn(async move { chassis::http::serve(listener, router, shutdown).await });
    let announced = announce(arguments, folder, &origin, &url, token.is_some());
    let announced = context.shutdown.run_until_cancelled(announced);
    let running = context.supervise(tasks);
    let drained = async {
        context.shutdown.cancelled().await;
        sleep(arguments.process.drain + DRAIN_MARGIN).await;
    };
    tokio::select! {
        result = async { tokio::join!(running, announced).0 } => result,
        () = drained => Err(anyhow::anyhow!("did not stop within the drain time")),
        failed = servers_ended(started) => Err(failed),
    }
}

async fn start_services(
    arguments: &Arguments,
    context: &Context,
    mut settings: Settings,
) -> anyhow::Result<(Origin, JoinSet<anyhow::Result<()>>)> {
    if !arguments.processes {
        say("services", "all in this process");
        let running = in_process::Running::default();
        let tasks = in_process::start(context, &settings, &running);
        return Ok((Origin::InProcess(running), tasks));
    }
    let programs = Program::all(Service::ALL)?;
    say("services", &format!("{} processes", programs.len()));
    let trusted = std::env::var("FTE_TRUSTED_PROXIES").unwrap_or_default();
    let proxy = Proxy::new(!trusted.is_empty())?;
    // The origin stands between the client and the services, and names the client.
    let trusted = [trusted.as_str(), "127.0.0.1"];
    let trusted: Vec<_> = trusted.into_iter().filter(|part| !part.is_empty()).collect();
    settings.set("FTE_TRUSTED_PROXIES", trusted.join(","));
    let tasks = processes::start(context, &settings, &programs, arguments.process.drain);
    Ok((Origin::Processes { processes: programs.into(), proxy }, tasks))
}

async fn announce(
    arguments: &Arguments,
    folder: &DataFolder,
    origin: &Origin,
    url: &str,
    has_own_token: bool,
) {
    if has_own_token {
        say("operator token", &folder.join(told::OPERATOR_TOKEN).display().to_string());
    }
    let began = Instant::now();
    let all_ready = async {
        while !origin.is_ready().await {
            sleep(READY_POLL).await;
        }
    };
    let is_ready = timeout(READY_LIMIT, all_ready).await.is_ok();
    say("form", &format!("{url}/support"));
    say("health", &format!("{url}/health/detailed"));
    if arguments.ephemeral {
        say("data", "none is kept");
    } else {
        say("data", &arguments.data.display().to_string());
    }
    match is_ready {
        true => {
            say("ready", &format!("after {:.1} s; Ctrl-C stops", began.elapsed().as_secs_f64()))
        }
        false => say("not ready", &format!("see {url}/health/detailed and the log above")),
    }
}

/// Ends with the first of our servers that does; without it nothing works on.
async fn servers_ended(started: &Started) -> anyhow::Error {
    let postgres = async {
        match &started.database.server {
            Some(server) => server.exited().await,
            None => std::future::pending().await,
        }
    };
    let kafka = async {
        match &started.log.broker {
            Some(broker) => broker.exited().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = postgres => anyhow::anyhow!("PostgreSQL ended by itself"),
        () = kafka => anyhow::anyhow!("Apache Kafka ended by itself"),
    }
}

/// One line for the person at the terminal; the log of the services is another matter.
fn say(what: &str, text: &str) {
    eprintln!("{what:<15} {text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_in_use_is_named_with_what_to_do() {
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = taken.local_addr().unwrap();

        let error = listen(address).await.unwrap_err().to_string();

        assert_eq!(
            error,
            format!("{address} is in use: stop what listens there, or choose --listen")
        );
    }
}
