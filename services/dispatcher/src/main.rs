//! The dispatcher process.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    chassis::run("dispatcher", dispatcher::run).await
}
