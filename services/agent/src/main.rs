//! The agent's process.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    chassis::run(agent::SERVICE, agent::run).await
}
