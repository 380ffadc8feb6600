//! The process that takes WhatsApp in.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    chassis::run(whatsapp_ingress::NAME, whatsapp_ingress::run).await
}
