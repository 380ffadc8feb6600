//! The knowledge base: articles in chunks with versions, and the search over them.

use sqlx::{FromRow, PgConnection, PgExecutor};

use crate::Error;
use crate::identity::column;

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
    index(connection, &retired, &fresh).await?;
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

/// Keeps the words of the current chunks. A word weighs by where it stands: title and
/// heading say what a chunk is about, the text only that it speaks of it.
async fn index(
    connection: &mut PgConnection,
    retired: &[String],
    fresh: &[String],
) -> Result<(), Error> {
    sqlx::query("delete from knowledge_terms where chunk_id = any($1)")
        .bind(retired)
        .execute(&mut *connection)
        .await?;
    sqlx::query(
        "insert into knowledge_terms (lexeme, chunk_id, weight)
         select word.lexeme, k.chunk_id,
                1 - (case when 'A' = any(word.weights) then 0.35 else 1 end)
                    * (case when 'B' = any(word.weights) then 0.3 else 1 end)
                    * (case cardinality(array_positions(word.weights, 'C'))
                           when 0 then 1 when 1 then 0.5 when 2 then 0.4 else 0.3 end)
         from knowledge_base k cross join lateral unnest(k.search) as word
         where k.is_current and k.chunk_id = any($1)",
    )
    .bind(fresh)
    .execute(&mut *connection)
    .await?;
    // A search plans by these figures; after a first load they would be missing.
    sqlx::query("analyze knowledge_terms, knowledge_base").execute(connection).await?;
    Ok(())
}

/// A word that is searched for, or one that stands for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Term {
    /// Words of one number stand for one another: the best of them counts.
    pub number: i32,
    pub word: String,
    /// 1 for the customer's own word, less for another with its meaning.
    pub likeness: f64,
    /// How much the word matters to the question.
    pub importance: f64,
}

/// A chunk that answers some of a question.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub struct Found {
    pub chunk_id: String,
    pub version: i32,
    pub article: String,
    pub title: String,
    pub heading: String,
    pub body: String,
    /// The share of what was asked that the chunk is about, 0 to 1: rare words count more.
    pub relevance: f64,
}

/// The best chunks for each question, all in one statement and in the order given;
/// ties by chunk id.
pub async fn search(
    executor: impl PgExecutor<'_>,
    questions: &[Vec<Term>],
    limit: i64,
) -> Result<Vec<Vec<Found>>, Error> {
    let terms: Vec<(i32, &Term)> =
        (0..).zip(questions).flat_map(|(at, terms)| terms.iter().map(move |t| (at, t))).collect();
    let rows: Vec<FoundRow> = sqlx::query_as(SEARCH)
        .bind(column(&terms, |(question, _)| *question))
        .bind(column(&terms, |(_, term)| term.number))
        .bind(column(&terms, |(_, term)| term.word.as_str()))
        .bind(column(&terms, |(_, term)| term.likeness))
        .bind(column(&terms, |(_, term)| term.importance))
        .bind(limit)
        .fetch_all(executor)
        .await?;
    let mut found = vec![Vec::new(); questions.len()];
    for row in rows {
        let question = usize::try_from(row.question).map_err(Error::row)?;
        if let Some(found) = found.get_mut(question) {
            found.push(row.found);
        }
    }
    Ok(found)
}

#[derive(FromRow)]
struct FoundRow {
    question: i32,
    #[sqlx(flatten)]
    found: Found,
}

const SEARCH: &str = "
with asked as materialized (
    select a.question, a.number, word.lexeme, max(a.likeness) as likeness,
           max(a.importance) as importance
    from unnest($1::int4[], $2::int4[], $3::text[], $4::float8[], $5::float8[])
             as a (question, number, word, likeness, importance)
    cross join lateral unnest(to_tsvector('english', a.word)) as word
    group by a.question, a.number, word.lexeme
), size as (
    select count(*)::float8 as chunks from knowledge_base where is_current
), best as materialized (
    select a.question, a.number, t.chunk_id, max(a.importance) as importance,
           max(a.likeness * t.weight) as weight
    from asked a cross join lateral (
        -- A look-up per word: the planner takes the few words for many.
        select chunk_id, weight from knowledge_terms
        where lexeme = a.lexeme offset 0) as t
    group by a.question, a.number, t.chunk_id
), known as materialized (
    select question, number, max(importance) * ln(1 + max(size.chunks) / count(*)) as value
    from best cross join size group by question, number
), unknown as (
    -- A word that no article has counts as one of middling rarity.
    select question, number, max(importance) * 0.5 * ln(1 + max(size.chunks)) as value
    from asked cross join size
    where (question, number) not in (select question, number from known)
    group by question, number
), total as (
    select question, sum(value) as value
    from (select question, value from known union all select question, value from unknown) as each
    group by question
), parts as (
    -- What its article says elsewhere counts for a chunk too, but less.
    select b.question, b.chunk_id, known.value * (0.75 * b.weight + 0.25 * max(b.weight)
               over (partition by b.question, split_part(b.chunk_id, '#', 1), b.number)) as value
    from best b join known using (question, number)
), ranked as (
    select *, row_number() over (partition by question order by relevance desc, chunk_id) as place
    from (select question, chunk_id, sum(parts.value) / max(total.value) as relevance
          from parts join total using (question)
          group by question, chunk_id) as summed
)
select ranked.question, k.chunk_id, k.version, k.article, k.title, k.heading, k.body,
    ranked.relevance
from ranked join knowledge_base k on k.chunk_id = ranked.chunk_id and k.is_current
where ranked.place <= $6
order by ranked.question, ranked.place";
