//! `fte kb`: the articles that the agent answers from.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use agent::policy::Policy;
use agent::{Embedder, EmbeddingSettings};
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
    /// gets a new version; what is gone from the folder is no longer found. Other ways to ask for a
    /// section may stand in a comment below its heading: `<!-- asked as: one | another -->`.
    Load {
        folder: PathBuf,
        #[command(flatten)]
        embedder: EmbeddingSettings,
        #[command(flatten)]
        database: DatabaseSettings,
    },
    /// Show what the agent would find for a question
    ///
    /// Relevance is words and meaning together; the agent answers from `answer_from` of
    /// policy/search.yaml on.
    Search {
        question: String,
        /// Most sections to show
        #[arg(long, default_value_t = 5)]
        limit: usize,
        /// Folder with the support policy, which says what words mean the same
        #[arg(long, env = "FTE_POLICY", default_value = "policy")]
        policy: PathBuf,
        #[command(flatten)]
        embedder: EmbeddingSettings,
        #[command(flatten)]
        database: DatabaseSettings,
    },
    /// List questions of customers that found too little, those of one meaning together
    ///
    /// What is asked most often stands first: write an article about it.
    Gaps {
        /// Most questions to show
        #[arg(long, default_value_t = 20)]
        limit: usize,
        #[command(flatten)]
        embedder: EmbeddingSettings,
        #[command(flatten)]
        database: DatabaseSettings,
    },
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    match arguments.action {
        Action::Load { folder, embedder, database } => {
            let embedder = embedder.open()?;
            line(load(&database.pool("kb")?, &embedder, &folder).await?)?;
        }
        Action::Search { question, limit, policy, embedder, database } => {
            let (policy, embedder) = (Policy::load(&policy)?, embedder.open()?);
            search(&database.pool("kb")?, &policy, &embedder, &question, limit).await?;
        }
        Action::Gaps { limit, embedder, database } => {
            let embedder = embedder.open()?;
            gaps(&database.pool("kb")?, &embedder, limit).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Loads a folder and says in one line what changed.
pub(crate) async fn load(
    pool: &PgPool,
    embedder: &Embedder,
    folder: &Path,
) -> anyhow::Result<String> {
    let report = agent::knowledge::load_dir(pool, embedder, folder)
        .await
        .with_context(|| format!("articles in {}", folder.display()))?;
    Ok(format!(
        "{} articles, {} sections: {} added, {} changed, {} removed, {} unchanged, {} embedded",
        report.articles,
        report.chunks,
        report.added,
        report.changed,
        report.removed,
        report.unchanged,
        report.embedded
    ))
}

async fn search(
    pool: &PgPool,
    policy: &Policy,
    embedder: &Embedder,
    question: &str,
    limit: usize,
) -> anyhow::Result<()> {
    let mut found =
        table(["relevance", "words", "meaning", "section", "version", "title", "heading"]);
    for chunk in agent::knowledge::search(pool, policy, embedder, question, limit).await? {
        found.add_row([
            format!("{:.2}", chunk.relevance),
            format!("{:.2}", chunk.by_words),
            format!("{:.2}", chunk.by_meaning),
            chunk.chunk_id,
            chunk.version.to_string(),
            chunk.title,
            chunk.heading,
        ]);
    }
    Ok(line(found.to_string())?)
}

async fn gaps(pool: &PgPool, embedder: &Embedder, limit: usize) -> anyhow::Result<()> {
    let mut rows = table(["times", "newest", "relevance", "question"]);
    for gap in agent::knowledge::gaps(pool, embedder).await?.into_iter().take(limit) {
        rows.add_row([
            gap.count.to_string(),
            gap.newest.format("%Y-%m-%d %H:%M").to_string(),
            format!("{:.2}", gap.relevance),
            gap.question,
        ]);
    }
    Ok(line(rows.to_string())?)
}
