//! The support API's process.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    chassis::run(support_api::NAME, support_api::run).await
}
