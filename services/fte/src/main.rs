//! `fte`: the command line of the product, and all of it in one process.

mod api;
mod cli;
mod commands;
mod output;

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    chassis::command("fte", Vec::new(), cli::run).await
}
