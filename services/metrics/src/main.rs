//! The metrics service's process.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    chassis::run(metrics::NAME, metrics::run).await
}
