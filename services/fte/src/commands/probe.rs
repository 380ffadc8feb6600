//! `fte probe`: asks a service how it is, for containers that hold no other client.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;

/// A probe answers from memory; whoever waits longer has the answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Ask a service's probe: exit 0 when it answers with 200
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[arg(default_value = "http://127.0.0.1:9090/readyz")]
    url: String,
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build()?;
    let status = client.get(&arguments.url).send().await.context(arguments.url)?.status();
    anyhow::ensure!(status == 200, "it answers {status}");
    Ok(ExitCode::SUCCESS)
}
