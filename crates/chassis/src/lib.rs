//! What every process needs: settings, telemetry, probes, signals, drain, exit
//! codes, HTTP serving. The only place that installs globals.

pub mod clock;
pub mod context;
pub mod extract;
pub mod http;
pub mod operator;
pub mod problem;
pub mod run;
pub mod settings;
pub mod status_token;
pub mod telemetry;
pub mod webhook;

pub use context::{Context, Mounts};
pub use run::{EX_USAGE, SettingsError, command, describe, parse, run};
