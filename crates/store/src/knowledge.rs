//! The knowledge base: articles in chunks with versions, found by their words and by
//! their meaning.

mod gaps;
pub(crate) mod lookup;
mod vectors;

use sqlx::{FromRow, PgConnection, PgExecutor};

pub use gaps::{Gap, forget_gaps, gaps, note_gap};
pub use lookup::{Lookup, Posting, look_up};
pub use vectors::{
    ChunkVectors, Space, StoredVector, StoredVectors, embedded, keep_vectors, vectors,
    without_vectors,
};

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
    /// Other ways to ask for it; found by, never shown.
    pub asked_as: Vec<String>,
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
    let asked_as: Vec<String> = chunks.iter().map(|chunk| chunk.asked_as.join("\n")).collect();
    let hashes: Vec<&[u8]> = chunks.iter().map(|chunk| chunk.content_hash.as_slice()).collect();
    let fresh = sqlx::query_scalar(
        "insert into knowledge_base
             (chunk_id, version, article, title, heading, body, asked_as, content_hash)
         select given.chunk_id,
                1 + coalesce((select max(version) from knowledge_base old
                              where old.chunk_id = given.chunk_id), 0),
                given.article, given.title, given.heading, given.body,
                given.asked_as, given.content_hash
         from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[],
                     $7::bytea[])
              as given (chunk_id, article, title, heading, body, asked_as, content_hash)
         where not exists (select from knowledge_base k
                           where k.chunk_id = given.chunk_id and k.is_current)
         returning chunk_id",
    )
    .bind(column(|chunk| &chunk.chunk_id))
    .bind(column(|chunk| &chunk.article))
    .bind(column(|chunk| &chunk.title))
    .bind(column(|chunk| &chunk.heading))
    .bind(column(|chunk| &chunk.body))
    .bind(asked_as)
    .bind(hashes)
    .fetch_all(connection)
    .await?;
    Ok(fresh)
}

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
