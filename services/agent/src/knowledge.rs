//! The knowledge base from the agent's side: articles become chunks, questions
//! become search terms. The SQL is in `store`.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use sqlx::PgPool;
use store::knowledge::{Changes, Chunk, Found, Term};

use crate::policy::{Policy, SearchFile, fold, sentences};

/// What a load did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoadReport {
    pub articles: usize,
    pub chunks: usize,
    pub added: usize,
    pub changed: usize,
    pub removed: usize,
    pub unchanged: usize,
}

/// Why a folder of articles was not loaded. Nothing has changed then.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("article {file}: {problem}")]
    Article { file: PathBuf, problem: String },
    #[error("the knowledge base could not be written")]
    Store(#[from] store::Error),
}

/// How many chunks a turn looks at.
pub(crate) const CHUNKS_PER_TURN: i64 = 5;
/// What a word of the same meaning counts beside the customer's own.
const SAME_MEANING: f64 = 0.85;
/// What a word counts that stands neither in the subject nor in a question.
const BESIDE_THE_QUESTION: f64 = 0.4;

/// Makes the `*.md` files of a folder the knowledge base. Equal chunks stay as they
/// are, changed ones get a new version, missing ones leave the search.
pub async fn load_dir(pool: &PgPool, folder: &Path) -> Result<LoadReport, LoadError> {
    let files = article_files(folder)?;
    let mut chunks = Vec::new();
    for file in &files {
        let wrong = |problem: String| LoadError::Article { file: file.clone(), problem };
        let text = std::fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
        let slug = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        chunks.extend(chunks_of(&slug, &text).map_err(|problem| wrong(problem.to_owned()))?);
    }
    let mut transaction = pool.begin().await.map_err(store::Error::from)?;
    let changes = store::knowledge::replace(&mut transaction, &chunks).await?;
    transaction.commit().await.map_err(store::Error::from)?;
    let Changes { added, changed, removed, unchanged } = changes;
    let (articles, chunks) = (files.len(), chunks.len());
    Ok(LoadReport { articles, chunks, added, changed, removed, unchanged })
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

/// Cuts an article at its second-level headings. Ids come from names, not places, so
/// that a new section changes no other's id.
pub(crate) fn chunks_of(slug: &str, text: &str) -> Result<Vec<Chunk>, &'static str> {
    let mut lines = text.trim_start_matches('\u{feff}').lines();
    let title = lines.next().and_then(|line| line.strip_prefix("# ")).map(str::trim);
    let title = title.filter(|title| !title.is_empty()).ok_or("does not begin with a title")?;
    let mut sections: Vec<(String, Vec<&str>)> = vec![(String::new(), Vec::new())];
    for line in lines {
        match line.strip_prefix("## ") {
            Some(heading) => sections.push((heading.trim().to_owned(), Vec::new())),
            None => sections.last_mut().ok_or("is empty")?.1.push(line),
        }
    }
    let mut names: HashMap<String, usize> = HashMap::new();
    let mut chunks = Vec::new();
    for (heading, lines) in sections {
        let body = lines.join("\n").trim().to_owned();
        if body.is_empty() {
            continue;
        }
        let name = if heading.is_empty() { "intro".to_owned() } else { slug_of(&heading) };
        let seen = names.entry(name.clone()).or_insert(0);
        *seen += 1;
        let suffix = if *seen > 1 { format!("-{seen}") } else { String::new() };
        chunks.push(Chunk {
            chunk_id: format!("{slug}#{name}{suffix}"),
            article: slug.to_owned(),
            title: title.to_owned(),
            content_hash: hash(&[title, &heading, &body]),
            heading,
            body,
        });
    }
    if chunks.is_empty() { Err("has no text") } else { Ok(chunks) }
}

fn slug_of(heading: &str) -> String {
    let words = sentences(heading).into_iter().flat_map(|sentence| sentence.tokens);
    words.map(|token| token.text).collect::<Vec<_>>().join("-")
}

fn hash(parts: &[&str]) -> Vec<u8> {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().to_vec()
}

/// The best chunks for a question in plain words, as the agent would look them up.
pub async fn search(
    pool: &PgPool,
    policy: &Policy,
    question: &str,
    limit: i64,
) -> Result<Vec<Found>, store::Error> {
    store::knowledge::search(pool, &Lexicon::new(&policy.search).terms(question), limit).await
}

/// Which words mean the same, and which say nothing.
#[derive(Debug)]
pub(crate) struct Lexicon {
    chatter: std::collections::HashSet<String>,
    /// By first word: the whole phrase, and what it stands for.
    same: HashMap<String, Vec<(Vec<String>, Vec<String>)>>,
    most: usize,
}

impl Lexicon {
    pub(crate) fn new(file: &SearchFile) -> Self {
        let mut same: HashMap<String, Vec<_>> = HashMap::new();
        for group in &file.same {
            for phrase in group {
                let words: Vec<String> = phrase.split(' ').map(fold).collect();
                let others = group.iter().filter(|other| *other != phrase).cloned().collect();
                let first = words.first().cloned().unwrap_or_default();
                same.entry(first).or_default().push((words, others));
            }
        }
        let chatter = file.chatter.iter().map(|word| fold(word)).collect();
        Self { chatter, same, most: file.max_terms }
    }

    /// What to search for. The first sentence and every question weigh most: what is
    /// told around them explains, and seldom asks.
    pub(crate) fn terms(&self, question: &str) -> Vec<Term> {
        let sentences = sentences(question);
        let mut importance: BTreeMap<usize, (String, f64)> = BTreeMap::new();
        let mut order: HashMap<String, usize> = HashMap::new();
        let mut others: HashMap<String, Vec<String>> = HashMap::new();
        for (at, sentence) in sentences.iter().enumerate() {
            let asks = at == 0 || sentence.is_question;
            let weight = if asks { 1.0 } else { BESIDE_THE_QUESTION };
            let words: Vec<&str> = sentence.tokens.iter().map(|t| t.text.as_str()).collect();
            for (place, word) in words.iter().enumerate() {
                for (phrase, same) in self.same.get(*word).into_iter().flatten() {
                    let rest = words.get(place..).unwrap_or_default();
                    if rest.iter().zip(phrase).filter(|(l, r)| l == r).count() == phrase.len() {
                        others.entry((*word).to_owned()).or_default().extend(same.iter().cloned());
                    }
                }
                if self.says_nothing(word) && !others.contains_key(*word) {
                    continue;
                }
                let next = order.len();
                let number = *order.entry((*word).to_owned()).or_insert(next);
                let entry = importance.entry(number).or_insert(((*word).to_owned(), 0.0));
                entry.1 = entry.1.max(weight);
            }
        }
        let mut asked: Vec<(usize, (String, f64))> = importance.into_iter().collect();
        // A long story is cut at its end, a question never.
        asked.sort_by(|left, right| right.1.1.total_cmp(&left.1.1).then(left.0.cmp(&right.0)));
        asked.truncate(self.most);
        let term = |(number, (word, importance)): (usize, (String, f64))| {
            let same = others.get(&word).cloned().unwrap_or_default();
            let number = i32::try_from(number).unwrap_or(i32::MAX);
            let own = Term { number, word, likeness: 1.0, importance };
            let same = same.into_iter().map(move |word| Term {
                number,
                likeness: SAME_MEANING / word.split(' ').count() as f64,
                word,
                importance,
            });
            std::iter::once(own).chain(same)
        };
        asked.into_iter().flat_map(term).collect()
    }

    fn says_nothing(&self, word: &str) -> bool {
        word.starts_with('<') || word.chars().count() < 2 || self.chatter.contains(word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARTICLE: &str = "# Export a board\n\nYou can export.\n\n## As CSV\n1. Open it.\n\n## As CSV\nAgain.\n## Empty\n";

    #[test]
    fn an_article_is_cut_at_its_headings_with_ids_from_names() {
        let chunks = chunks_of("export", ARTICLE).unwrap();
        let ids: Vec<_> = chunks.iter().map(|chunk| chunk.chunk_id.as_str()).collect();

        assert_eq!(ids, ["export#intro", "export#as-csv", "export#as-csv-2"]);
        assert_eq!(chunks[1].body, "1. Open it.");
        assert_eq!(chunks[1].title, "Export a board");
    }

    #[test]
    fn an_article_without_title_or_text_is_refused() {
        assert!(chunks_of("a", "No title\n").is_err());
        assert!(chunks_of("a", "# Title\n\n## Heading\n").is_err());
    }
}
