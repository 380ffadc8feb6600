//! `fte kb`: the articles that the agent answers from.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use agent::policy::Policy;
use anyhow::Context as _;
use chassis::settings::DatabaseSettings;
use clap::{Args, Subcommand};
use sqlx::PgPool;

use crate::output::{line, table};

/// Load and search the knowledge base
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make the knowledge base hold what this folder holds
    ///
    /// Markdown files, one article each: `# Title`, then sections by `## Heading`. Only what changed
    /// gets a new version; what is gone from the folder is no longer found.
    Load {
        folder: PathBuf,
        #[command(flatten)]
        database: DatabaseSettings,
    },
    /// Show what the agent would find for a question
    Search {
        question: String,
        /// Most sections to show
        #[arg(long, default_value_t = 5)]
        limit: usize,
        /// Folder with the support policy, which says what words mean the same
        #[arg(long, env = "FTE_POLICY", default_value = "policy")]
        policy: PathBuf,
        #[command(flatten)]
        database: DatabaseSettings,
    },
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    match arguments.action {
        Action::Load { folder, database } => {
            line(load(&database.pool("kb")?, &folder).await?)?;
        }
        Action::Search { question, limit, policy, database } => {
            let policy = Policy::load(&policy)?;
            search(&database.pool("kb")?, &policy, &question, limit).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Loads a folder and says in one line what changed.
pub(crate) async fn load(pool: &PgPool, folder: &Path) -> anyhow::Result<String> {
    let report = agent::knowledge::load_dir(pool, folder)
        .await
        .with_context(|| format!("articles in {}", folder.display()))?;
    Ok(format!(
        "{} articles, {} sections: {} added, {} changed, {} removed, {} unchanged",
        report.articles,
        report.chunks,
        report.added,
        report.changed,
        report.removed,
        report.unchanged
    ))
}

async fn search(
    pool: &PgPool,
    policy: &Policy,
    question: &str,
    limit: usize,
) -> anyhow::Result<()> {
    let mut found = table(["relevance", "section", "version", "title", "heading"]);
    for chunk in agent::knowledge::search(pool, policy, question, limit).await? {
        found.add_row([
            format!("{:.2}", chunk.relevance),
            chunk.chunk_id,
            chunk.version.to_string(),
            chunk.title,
            chunk.heading,
        ]);
    }
    Ok(line(found.to_string())?)
}
