//! `fte openapi`: the description of every route, merged from the services' code.

use std::process::ExitCode;

use clap::Args;

use crate::output::line;

/// Print the OpenAPI document of all routes
///
/// docs/openapi.json is this output, and support-api serves that file. A test compares them.
#[derive(Debug, Args)]
pub(crate) struct Arguments {}

pub(crate) fn run(_: &Arguments) -> anyhow::Result<ExitCode> {
    line(document()?.trim_end())?;
    Ok(ExitCode::SUCCESS)
}

/// The merged document as pretty JSON, ending in a line break.
fn document() -> anyhow::Result<String> {
    let mut merged = support_api::openapi();
    merged.merge(webform_ingress::openapi());
    merged.merge(whatsapp_ingress::openapi());
    merged.merge(gmail_ingress::openapi());
    merged.merge(metrics::openapi());
    Ok(merged.to_pretty_json()? + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_document_is_what_the_code_says() {
        let committed = include_str!("../../../../docs/openapi.json");

        assert!(
            committed == document().unwrap(),
            "docs/openapi.json is stale: run `fte openapi > docs/openapi.json`"
        );
    }
}
