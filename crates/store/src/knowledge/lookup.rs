//! What the words of questions lead to, in one statement for all of them.

use sqlx::{FromRow, PgExecutor};

use crate::Error;

/// A word as the index knows it, with the chunks that have it.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub struct Posting {
    /// The word that was looked up; one word may have several lexemes.
    pub word: String,
    pub lexeme: String,
    /// Numbers of chunks. Beside each stands its article, called by the lowest number
    /// among its chunks, and how much of the chunk is about the word, 0 to 1.
    pub chunks: Vec<i32>,
    pub articles: Vec<i32>,
    pub weights: Vec<f64>,
    /// How many chunks there are in all; 0 for a lexeme that none has.
    pub of_chunks: i32,
}

/// What was found for some words.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Lookup {
    /// One that says nothing (a stop word) is missing.
    pub postings: Vec<Posting>,
    /// Of the vectors that are to be compared beside the words.
    pub vectors_version: i64,
}

/// Looks words up in the index.
pub async fn look_up(executor: impl PgExecutor<'_>, words: &[&str]) -> Result<Lookup, Error> {
    let rows: Vec<Row> = sqlx::query_as(LOOK_UP).bind(words).fetch_all(executor).await?;
    let mut found = Lookup::default();
    for row in rows {
        found.vectors_version = row.vectors_version;
        found.postings.extend(row.has_word.then_some(row.posting));
    }
    Ok(found)
}

/// One at least, also where no word says anything.
#[derive(FromRow)]
struct Row {
    vectors_version: i64,
    has_word: bool,
    #[sqlx(flatten)]
    posting: Posting,
}

pub(crate) const LOOK_UP: &str = "
select state.vectors_version, asked.word is not null as has_word,
    coalesce(asked.word, '') as word, coalesce(asked.lexeme, '') as lexeme,
    coalesce(t.chunks, '{}') as chunks, coalesce(t.articles, '{}') as articles,
    coalesce(t.weights, '{}') as weights, coalesce(t.of_chunks, 0) as of_chunks
from (select vectors_version from knowledge_state where is_only) as state
left join (
    select word, found.lexeme from unnest($1::text[]) as given (word)
    cross join lateral unnest(to_tsvector('english', word)) as found) as asked on true
left join lateral (
    select * from knowledge_terms where lexeme = asked.lexeme limit 1) as t on true";
