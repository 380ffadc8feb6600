//! `fte`: the command line of the product, and all of it in one process.

mod api;
mod backing;
mod bench;
mod chaos;
mod cli;
mod commands;
mod customers;
mod eval;
mod output;
mod processes;
mod topics;
mod up;

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    chassis::command("fte", cli::defaults(), cli::run).await
}
