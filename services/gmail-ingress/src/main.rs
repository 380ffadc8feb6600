//! The process that takes e-mail in.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    chassis::run(gmail_ingress::NAME, gmail_ingress::run).await
}
