//! What can go wrong with a local server, in words for the person at the terminal.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why a local server does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    #[error("{what} is not there (looked for {}): run `make setup`", path.display())]
    Missing { what: &'static str, path: PathBuf },
    #[error("java 17 or later is not there: run `make setup`, or choose the PostgreSQL log")]
    NoJava,
    #[error("PostgreSQL refuses to run as root and there is no other user to run it as")]
    NoUser,
    #[error(
        "user {user} cannot use {}: move it to a folder that every user may enter, or run as a normal user",
        path.display()
    )]
    Unreachable { user: String, path: PathBuf },
    #[error("{} belongs to another user: run as that user, or choose another folder", path.display())]
    ForeignFolder { path: PathBuf },
    #[error("{} cannot be used", path.display())]
    Folder {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{program} cannot be started")]
    Spawn {
        program: String,
        #[source]
        source: io::Error,
    },
    #[error("{name} ended while starting: {last_line} (see {})", log.display())]
    Ended { name: &'static str, last_line: String, log: PathBuf },
    #[error("{name} is not ready after {} s (see {})", after.as_secs(), log.display())]
    NotReady { name: &'static str, after: Duration, log: PathBuf },
    #[error("port {port} on 127.0.0.1 is taken")]
    PortTaken { port: u16 },
    #[error("no free port on 127.0.0.1")]
    NoPort(#[source] io::Error),
    #[error("{name} cannot be signalled")]
    Signal {
        name: &'static str,
        #[source]
        source: io::Error,
    },
}
