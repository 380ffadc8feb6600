//! The identity-resolver process.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    chassis::run("identity-resolver", identity_resolver::run).await
}
