//! The web form's process.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    chassis::run(webform_ingress::NAME, webform_ingress::run).await
}
