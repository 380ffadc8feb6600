//! The knowledge base from the agent's side: articles become chunks, questions
//! become search terms. The SQL is in `store`.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use sqlx::PgPool;
use store::knowledge::{Changes, Chunk};

use crate::policy::{Policy, SearchFile, fold, sentences};
use crate::search::{Found, Term};

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
pub(crate) const CHUNKS_PER_TURN: usize = 5;
/// What a word of the same meaning counts beside the customer's own.
const SAME_MEANING: f64 = 0.5;
/// What the first word of "log in" or "get rid of" counts by itself.
const OF_AN_IDIOM: f64 = 0.4;
/// What a word counts of a further question, and one that stands in no question.
const FURTHER_QUESTION: f64 = 0.5;
const BESIDE_THE_QUESTION: f64 = 0.35;

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
    limit: usize,
) -> Result<Vec<Found>, store::Error> {
    let terms = Lexicon::new(&policy.search).terms(question);
    let mut connection = pool.acquire().await?;
    let found = crate::search::search(&mut connection, &[terms], limit).await?;
    Ok(found.into_iter().next().unwrap_or_default())
}

/// The words of a phrase and the phrases that mean the same.
type Phrase = (Vec<String>, Vec<String>);

/// Which words mean the same, and which say nothing.
#[derive(Debug)]
pub(crate) struct Lexicon {
    chatter: HashSet<String>,
    /// By first word: whole phrases, and what each stands for.
    same: HashMap<String, Vec<Phrase>>,
    most: usize,
}

impl Lexicon {
    pub(crate) fn new(file: &SearchFile) -> Self {
        let mut same: HashMap<String, Vec<_>> = HashMap::new();
        for group in &file.same {
            for phrase in group {
                let words: Vec<String> = phrase.split(' ').map(|word| stem(&fold(word))).collect();
                let others = group.iter().filter(|other| *other != phrase).cloned().collect();
                let first = words.first().cloned().unwrap_or_default();
                same.entry(first).or_default().push((words, others));
            }
        }
        let chatter = file.chatter.iter().map(|word| fold(word)).collect();
        Self { chatter, same, most: file.max_terms }
    }

    /// What to search for. The first sentence and the questions weigh most: what is
    /// told around them explains, and seldom asks.
    pub(crate) fn terms(&self, question: &str) -> Vec<Term> {
        let mut asked: Vec<Asked> = Vec::new();
        for (at, sentence) in sentences(question).iter().enumerate() {
            let importance = match (at, sentence.is_question) {
                (0, _) => 1.0,
                (_, true) => FURTHER_QUESTION,
                (_, false) => BESIDE_THE_QUESTION,
            };
            let words: Vec<&str> = sentence.tokens.iter().map(|t| t.text.as_str()).collect();
            for place in 0..words.len() {
                let Some(new) = self.asked(words.get(place..).unwrap_or_default(), importance)
                else {
                    continue;
                };
                match asked.iter_mut().find(|known| known.word == new.word) {
                    Some(known) => known.importance = known.importance.max(new.importance),
                    None => asked.push(new),
                }
            }
        }
        // Stable: a long story is cut at its end, a question never.
        asked.sort_by(|left, right| right.importance.total_cmp(&left.importance));
        asked.truncate(self.most);
        asked.into_iter().zip(0..).flat_map(|(asked, number)| asked.terms(number)).collect()
    }

    /// The first of these words as something to search for, unless it says nothing.
    fn asked(&self, words: &[&str], importance: f64) -> Option<Asked> {
        let word = *words.first()?;
        let mut same = Vec::new();
        let mut likeness = 1.0;
        for (phrase, others) in self.same.get(&stem(word)).into_iter().flatten() {
            let stands_here = words.iter().zip(phrase).filter(|(l, r)| stem(l) == **r).count();
            if stands_here < phrase.len() {
                continue;
            }
            same.extend(others.iter().cloned());
            let rest = words.get(1..phrase.len()).unwrap_or_default();
            if !rest.is_empty() && rest.iter().all(|word| self.says_nothing(word)) {
                likeness = OF_AN_IDIOM;
            }
        }
        if self.says_nothing(word) && same.is_empty() {
            return None;
        }
        Some(Asked { word: word.to_owned(), likeness, same, importance })
    }

    fn says_nothing(&self, word: &str) -> bool {
        let particles = ["in", "out", "of", "up", "off", "down", "on", "to", "as", "back", "over"];
        word.starts_with('<')
            || word.chars().count() < 2
            || particles.contains(&word)
            || self.chatter.contains(word)
    }
}

/// A word without its English endings, to look up what means the same; the words that
/// are searched for are stemmed by the database.
fn stem(word: &str) -> String {
    if let Some(stem) = word.strip_suffix("ies") {
        return format!("{stem}y");
    }
    let singular = word.strip_suffix('s').filter(|stem| !stem.ends_with('s')).unwrap_or(word);
    let long = |stem: &&str| stem.len() >= 4;
    let verb =
        ["ing", "ed", "e"].iter().find_map(|ending| singular.strip_suffix(ending).filter(long));
    verb.unwrap_or(singular).to_owned()
}

/// A word of the question with all that may stand for it.
struct Asked {
    word: String,
    likeness: f64,
    same: Vec<String>,
    importance: f64,
}

impl Asked {
    fn terms(self, number: usize) -> impl Iterator<Item = Term> {
        let Self { word, likeness, same, importance } = self;
        let own = Term { number, word, likeness, importance };
        let same = same.into_iter().map(move |word| Term {
            number,
            likeness: SAME_MEANING / word.split(' ').count() as f64,
            word,
            importance,
        });
        std::iter::once(own).chain(same)
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
