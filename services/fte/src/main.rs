//! `fte`: the command line of the product, and all of it in one process.

mod cli;
mod commands;

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    chassis::command("fte", Vec::new(), cli::run).await
}
