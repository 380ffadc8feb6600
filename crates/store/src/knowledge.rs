//! The knowledge base: articles in chunks with versions, and the index of their words.

use sqlx::{FromRow, PgConnection, PgExecutor};

use crate::Error;

/// A chunk as an article has it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Stable while article and heading keep their names.
    pub chunk_id: String,
    pub article: String,
    pub title: String,
    pub heading: String,
    pub body: String,
    pub content_hash: Vec<u8>,
}

/// What a load changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Changes {
    pub added: usize,
    pub changed: usize,
    pub removed: usize,
    pub unchanged: usize,
}

/// Makes these chunks the knowledge base: equal ones stay, others get a new version,
/// those that are missing leave the search. One loader at a time.
pub async fn replace(connection: &mut PgConnection, chunks: &[Chunk]) -> Result<Changes, Error> {
    sqlx::query("lock table knowledge_base in share row exclusive mode")
        .execute(&mut *connection)
        .await?;
    let retired = retire(connection, chunks).await?;
    let fresh = add(connection, chunks).await?;
    sqlx::query("select index_knowledge()").execute(connection).await?;
    let changed = fresh.iter().filter(|id| retired.contains(id)).count();
    Ok(Changes {
        added: fresh.len() - changed,
        changed,
        removed: retired.len() - changed,
        unchanged: chunks.len() - fresh.len(),
    })
}

/// Takes chunks out of the search that are gone or read differently now.
async fn retire(connection: &mut PgConnection, chunks: &[Chunk]) -> Result<Vec<String>, Error> {
    let ids: Vec<&str> = chunks.iter().map(|chunk| chunk.chunk_id.as_str()).collect();
    let hashes: Vec<&[u8]> = chunks.iter().map(|chunk| chunk.content_hash.as_slice()).collect();
    let retired = sqlx::query_scalar(
        "update knowledge_base k set is_current = false
         where k.is_current and not exists (
             select from unnest($1::text[], $2::bytea[]) as given (chunk_id, content_hash)
             where given.chunk_id = k.chunk_id and given.content_hash = k.content_hash)
         returning k.chunk_id",
    )
    .bind(ids)
    .bind(hashes)
    .fetch_all(connection)
    .await?;
    Ok(retired)
}

async fn add(connection: &mut PgConnection, chunks: &[Chunk]) -> Result<Vec<String>, Error> {
    let column = |field: fn(&Chunk) -> &str| -> Vec<&str> { chunks.iter().map(field).collect() };
    let hashes: Vec<&[u8]> = chunks.iter().map(|chunk| chunk.content_hash.as_slice()).collect();
    let fresh = sqlx::query_scalar(
        "insert into knowledge_base
             (chunk_id, version, article, title, heading, body, content_hash)
         select given.chunk_id,
                1 + coalesce((select max(version) from knowledge_base old
                              where old.chunk_id = given.chunk_id), 0),
                given.article, given.title, given.heading, given.body, given.content_hash
         from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bytea[])
              as given (chunk_id, article, title, heading, body, content_hash)
         where not exists (select from knowledge_base k
                           where k.chunk_id = given.chunk_id and k.is_current)
         returning chunk_id",
    )
    .bind(column(|chunk| &chunk.chunk_id))
    .bind(column(|chunk| &chunk.article))
    .bind(column(|chunk| &chunk.title))
    .bind(column(|chunk| &chunk.heading))
    .bind(column(|chunk| &chunk.body))
    .bind(hashes)
    .fetch_all(connection)
    .await?;
    Ok(fresh)
}

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

/// Looks words up in the index. One that says nothing (a stop word) is missing.
pub async fn look_up(executor: impl PgExecutor<'_>, words: &[&str]) -> Result<Vec<Posting>, Error> {
    let postings = sqlx::query_as(LOOK_UP).bind(words).fetch_all(executor).await?;
    Ok(postings)
}

pub(crate) const LOOK_UP: &str = "
select asked.word, found.lexeme, coalesce(t.chunks, '{}') as chunks,
    coalesce(t.articles, '{}') as articles, coalesce(t.weights, '{}') as weights,
    coalesce(t.of_chunks, 0) as of_chunks
from unnest($1::text[]) as asked (word)
cross join lateral unnest(to_tsvector('english', asked.word)) as found
left join lateral (
    select * from knowledge_terms where lexeme = found.lexeme limit 1) as t on true";

/// A chunk as a search returns it.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Section {
    pub number: i32,
    pub chunk_id: String,
    pub version: i32,
    pub article: String,
    pub title: String,
    pub heading: String,
    pub body: String,
}

/// The chunks of these numbers, in any order; also those that have been replaced since.
pub async fn sections(
    executor: impl PgExecutor<'_>,
    numbers: &[i32],
) -> Result<Vec<Section>, Error> {
    let sections = sqlx::query_as(SECTIONS).bind(numbers).fetch_all(executor).await?;
    Ok(sections)
}

pub(crate) const SECTIONS: &str = "
select k.number, k.chunk_id, k.version, k.article, k.title, k.heading, k.body
from unnest($1::integer[]) as asked (number)
cross join lateral (select * from knowledge_base where number = asked.number limit 1) as k";
