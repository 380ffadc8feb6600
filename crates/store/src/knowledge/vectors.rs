//! The vectors of the current chunks, by the model that made them.

use pgvector::Vector;
use sqlx::{FromRow, PgConnection, PgExecutor};

use crate::Error;

/// Vectors that may be compared with one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space<'a> {
    pub model: &'a str,
    pub dimension: i32,
}

/// The vectors of one chunk: of its text, then of each way to ask for it.
#[derive(Debug, Clone, PartialEq)]
pub struct ChunkVectors {
    pub chunk_id: String,
    pub content_hash: Vec<u8>,
    pub vectors: Vec<Vec<f32>>,
}

/// The hashes of the current chunks that have vectors of this space.
pub async fn embedded(
    connection: &mut PgConnection,
    space: Space<'_>,
) -> Result<Vec<Vec<u8>>, Error> {
    let hashes = sqlx::query_scalar(
        "select k.content_hash from knowledge_base k
         where k.is_current and exists (
             select from knowledge_vectors v
             where v.model = $1 and v.dimension = $2 and v.number = k.number)",
    )
    .bind(space.model)
    .bind(space.dimension)
    .fetch_all(connection)
    .await?;
    Ok(hashes)
}

/// Adds vectors to the current chunks that have none of this space, and removes those of
/// chunks that left the search.
pub async fn keep_vectors(
    connection: &mut PgConnection,
    space: Space<'_>,
    chunks: &[ChunkVectors],
) -> Result<(), Error> {
    let rows = || {
        chunks
            .iter()
            .flat_map(|chunk| chunk.vectors.iter().zip(0_i32..).map(move |row| (chunk, row)))
    };
    let ids: Vec<&str> = rows().map(|(chunk, _)| chunk.chunk_id.as_str()).collect();
    let hashes: Vec<&[u8]> = rows().map(|(chunk, _)| chunk.content_hash.as_slice()).collect();
    let parts: Vec<i32> = rows().map(|(_, (_, part))| part).collect();
    let vectors: Vec<Vector> =
        rows().map(|(_, (vector, _))| Vector::from(vector.clone())).collect();
    sqlx::query(
        "with gone as (
             delete from knowledge_vectors v using knowledge_base k
             where k.number = v.number and not k.is_current)
         insert into knowledge_vectors (model, dimension, number, part, article, vector)
         select $1, $2, k.number, given.part, k.article, given.vector
         from unnest($3::text[], $4::bytea[], $5::integer[], $6::vector[])
              as given (chunk_id, content_hash, part, vector)
         join knowledge_base k on k.chunk_id = given.chunk_id and k.is_current
              and k.content_hash = given.content_hash
         on conflict on constraint knowledge_vectors_pkey do nothing",
    )
    .bind(space.model)
    .bind(space.dimension)
    .bind(ids)
    .bind(hashes)
    .bind(parts)
    .bind(vectors)
    .execute(connection)
    .await?;
    Ok(())
}

/// All vectors of a space, as one version of the knowledge base has them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StoredVectors {
    /// As [`Lookup::vectors_version`](super::Lookup::vectors_version).
    pub version: i64,
    /// Those of one chunk beside one another.
    pub vectors: Vec<StoredVector>,
}

/// A vector of a chunk.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredVector {
    pub number: i32,
    pub article: String,
    pub vector: Vec<f32>,
}

/// Reads all vectors of a space, as arrays: a driver asks for the extension's type first.
pub async fn vectors(
    executor: impl PgExecutor<'_>,
    space: Space<'_>,
) -> Result<StoredVectors, Error> {
    let rows: Vec<Row> = sqlx::query_as(
        "select state.vectors_version, v.number, v.article, v.vector::real[] as vector
         from knowledge_state state
         left join knowledge_vectors v on v.model = $1 and v.dimension = $2
         order by v.number, v.part",
    )
    .bind(space.model)
    .bind(space.dimension)
    .fetch_all(executor)
    .await?;
    let version = rows.first().map_or(0, |row| row.vectors_version);
    let vector = |row: Row| {
        let (number, article, vector) = (row.number?, row.article?, row.vector?);
        Some(StoredVector { number, article, vector })
    };
    Ok(StoredVectors { version, vectors: rows.into_iter().filter_map(vector).collect() })
}

/// Without a vector where the space has none.
#[derive(FromRow)]
struct Row {
    vectors_version: i64,
    number: Option<i32>,
    article: Option<String>,
    vector: Option<Vec<f32>>,
}

/// How many current chunks have no vectors of this space: no question's meaning finds
/// them.
pub async fn without_vectors(
    connection: &mut PgConnection,
    space: Space<'_>,
) -> Result<i64, Error> {
    let count = sqlx::query_scalar(
        "select count(*) from knowledge_base k
         where k.is_current and not exists (
             select from knowledge_vectors v
             where v.model = $1 and v.dimension = $2 and v.number = k.number)",
    )
    .bind(space.model)
    .bind(space.dimension)
    .fetch_one(connection)
    .await?;
    Ok(count)
}
