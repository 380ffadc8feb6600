//! The knowledge base from the agent's side: articles become chunks with words and
//! vectors, questions become searches. The SQL is in `store`.

mod articles;
mod gaps;
mod lexicon;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sqlx::PgPool;
use store::knowledge::{Changes, Chunk, ChunkVectors};

use crate::embedder::{Embedder, EmbedderError};
use crate::nearest::Shelf;
use crate::policy::{Policy, Sentence, sentences};
use crate::search::{Found, Question};

pub(crate) use gaps::gap_of;
pub use gaps::{GapGroup, gaps};
use lexicon::Lexicon;

/// What a load did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoadReport {
    pub articles: usize,
    pub chunks: usize,
    pub added: usize,
    pub changed: usize,
    pub removed: usize,
    pub unchanged: usize,
    /// Chunks whose vectors were not there yet.
    pub embedded: usize,
}

/// Why a folder of articles was not loaded. Nothing has changed then.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("article {file}: {problem}")]
    Article { file: PathBuf, problem: String },
    #[error("the articles could not be embedded")]
    Embedder(#[from] EmbedderError),
    #[error("the knowledge base could not be written")]
    Store(#[from] store::Error),
    /// Its vectors would be missing: the same load again brings them.
    #[error("another load ran at the same time, try again")]
    AtTheSameTime,
}

/// Why nothing was searched.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    #[error("the question could not be embedded")]
    Embedder(#[from] EmbedderError),
    #[error("the knowledge base could not be read")]
    Store(#[from] store::Error),
}

/// How many chunks a turn looks at.
pub(crate) const CHUNKS_PER_TURN: usize = 5;

/// Sentences that are searched for by themselves; each costs as much as the whole.
const MOST_SENTENCES: usize = 3;
/// Shorter ones ("Thanks!", "Any ideas?") ask nothing by themselves.
const LEAST_WORDS: usize = 3;

/// Makes the `*.md` files of a folder the knowledge base. Equal chunks stay as they
/// are, changed ones get a new version and new vectors, missing ones leave the search.
pub async fn load_dir(
    pool: &PgPool,
    embedder: &Embedder,
    folder: &Path,
) -> Result<LoadReport, LoadError> {
    let files = article_files(folder)?;
    let mut chunks = Vec::new();
    for file in &files {
        let wrong = |problem: String| LoadError::Article { file: file.clone(), problem };
        let text = std::fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
        let slug = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let of_file = articles::chunks_of(&slug, &text);
        chunks.extend(of_file.map_err(|problem| wrong(problem.to_owned()))?);
    }
    let space = embedder.space().await?;
    let mut connection = pool.acquire().await.map_err(store::Error::from)?;
    let known = store::knowledge::embedded(&mut connection, space).await?;
    drop(connection);
    // Before the transaction: it takes seconds where much is new.
    let vectors = vectors_of(embedder, &chunks, &known.into_iter().collect()).await?;
    let mut transaction = pool.begin().await.map_err(store::Error::from)?;
    let changes = store::knowledge::replace(&mut transaction, &chunks).await?;
    store::knowledge::keep_vectors(&mut transaction, space, &vectors).await?;
    if store::knowledge::without_vectors(&mut transaction, space).await? > 0 {
        return Err(LoadError::AtTheSameTime);
    }
    transaction.commit().await.map_err(store::Error::from)?;
    let Changes { added, changed, removed, unchanged } = changes;
    let (articles, chunks, embedded) = (files.len(), chunks.len(), vectors.len());
    Ok(LoadReport { articles, chunks, added, changed, removed, unchanged, embedded })
}

fn article_files(folder: &Path) -> Result<Vec<PathBuf>, LoadError> {
    let wrong = |error: std::io::Error| LoadError::Article {
        file: folder.to_owned(),
        problem: error.to_string(),
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(wrong)? {
        let path = entry.map_err(wrong)?.path();
        let is_article = path.extension().is_some_and(|extension| extension == "md");
        if is_article && path.file_stem().is_some_and(|stem| stem != "README") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The vectors of the chunks that have none yet.
async fn vectors_of(
    embedder: &Embedder,
    chunks: &[Chunk],
    known: &HashSet<Vec<u8>>,
) -> Result<Vec<ChunkVectors>, EmbedderError> {
    let new: Vec<&Chunk> =
        chunks.iter().filter(|chunk| !known.contains(&chunk.content_hash)).collect();
    let texts: Vec<Vec<String>> = new.iter().map(|chunk| texts_of(chunk)).collect();
    let vectors = embedder.embed_cached(texts.iter().flatten().cloned().collect()).await?;
    let mut vectors = vectors.into_iter();
    let of_chunk = |(chunk, texts): (&&Chunk, &Vec<String>)| ChunkVectors {
        chunk_id: chunk.chunk_id.clone(),
        content_hash: chunk.content_hash.clone(),
        vectors: vectors.by_ref().take(texts.len()).collect(),
    };
    Ok(new.iter().zip(&texts).map(of_chunk).collect())
}

/// What a chunk is found by: its text with what it stands under, and each other way to
/// ask for it.
fn texts_of(chunk: &Chunk) -> Vec<String> {
    let Chunk { title, heading, body, asked_as, .. } = chunk;
    let text = match heading.as_str() {
        "" => format!("{title}. {body}"),
        heading => format!("{title}. {heading}. {body}"),
    };
    std::iter::once(text).chain(asked_as.iter().cloned()).collect()
}

/// What a question needs to be searched for.
#[derive(Debug)]
pub(crate) struct Searcher {
    lexicon: Lexicon,
    embedder: Embedder,
    model: Arc<str>,
}

impl Searcher {
    pub(crate) fn new(policy: &Policy, embedder: Embedder) -> Self {
        let model = embedder.name().into();
        Self { lexicon: Lexicon::new(&policy.search), embedder, model }
    }

    /// The words of a question, and its meaning.
    pub(crate) async fn question(&self, words: &str) -> Result<Question, EmbedderError> {
        // As the reader of a message asks for them: of a short one the vectors are there.
        let texts = std::iter::once(without_ends(words)).chain(asking(words));
        let texts = texts.map(|text| self.embedder.legible(text)).collect();
        let vectors = self.embedder.embed(texts).await?;
        let model = Arc::clone(&self.model);
        Ok(Question { terms: self.lexicon.terms(words), vectors, model })
    }
}

/// From the first word to the last.
fn without_ends(words: &str) -> &str {
    words.trim_matches(|symbol: char| !symbol.is_alphanumeric())
}

/// The sentences that ask; the first ones where nothing is marked as a question, and
/// none where there is only one.
fn asking(words: &str) -> Vec<&str> {
    let sentences = sentences(words);
    if sentences.len() < 2 {
        return Vec::new();
    }
    let has_question = sentences.iter().any(|sentence| sentence.is_question);
    let long = sentences.iter().filter(|sentence| {
        sentence.tokens.len() >= LEAST_WORDS && (sentence.is_question || !has_question)
    });
    let text = |sentence: &Sentence| {
        let (first, last) = (sentence.tokens.first()?, sentence.tokens.last()?);
        words.get(first.start..last.end)
    };
    long.filter_map(text).take(MOST_SENTENCES).collect()
}

/// The best chunks for a question in plain words, as the agent would look them up.
pub async fn search(
    pool: &PgPool,
    policy: &Policy,
    embedder: &Embedder,
    question: &str,
    limit: usize,
) -> Result<Vec<Found>, SearchError> {
    let question = Searcher::new(policy, embedder.clone()).question(question).await?;
    let mut connection = pool.acquire().await.map_err(store::Error::from)?;
    let found =
        crate::search::search(&mut connection, &Shelf::default(), &[question], limit).await?;
    Ok(found.into_iter().next().unwrap_or_default())
}
