//! What the words and the meaning of questions lead to, in one statement for all of
//! them.

use sqlx::{FromRow, PgExecutor};

use crate::Error;
use crate::knowledge::Space;

/// A word as the index knows it, with the chunks that have it.
#[derive(Debug, Clone, PartialEq)]
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

/// A chunk that means something like a question.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Near {
    pub number: i32,
    /// The cosine of the nearest of its vectors, -1 to 1.
    pub likeness: f64,
    /// The mean of that over the chunks of its article.
    pub of_article: f64,
}

/// What was found for some words and some vectors.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Lookup {
    /// One that says nothing (a stop word) is missing.
    pub postings: Vec<Posting>,
    /// For each vector the nearest chunks, the nearest first.
    pub near: Vec<Vec<Near>>,
}

/// Looks words up in the index, and vectors, each of the space's dimension, among those
/// of the space.
pub async fn look_up(
    executor: impl PgExecutor<'_>,
    words: &[&str],
    space: Space<'_>,
    vectors: &[&[f32]],
) -> Result<Lookup, Error> {
    let count = vectors.len();
    // One array of numbers: the driver would ask each connection for the type of vectors.
    let vectors: Vec<f32> = vectors.iter().copied().flatten().copied().collect();
    let rows: Vec<Row> = sqlx::query_as(LOOK_UP)
        .bind(words)
        .bind(vectors)
        .bind(space.model)
        .bind(space.dimension)
        .fetch_all(executor)
        .await?;
    let mut found = Lookup { postings: Vec::new(), near: vec![Vec::new(); count] };
    for row in rows {
        let Row { question, word, lexeme, chunks, articles, weights, beside, of_chunks } = row;
        let Some(question) = question else {
            found.postings.push(Posting { word, lexeme, chunks, articles, weights, of_chunks });
            continue;
        };
        let place = usize::try_from(question - 1).ok();
        let Some(near) = place.and_then(|place| found.near.get_mut(place)) else { continue };
        let scores = weights.into_iter().zip(beside);
        let chunks = chunks.into_iter().zip(scores);
        near.extend(chunks.map(|(number, (likeness, of_article))| Near {
            number,
            likeness,
            of_article,
        }));
    }
    Ok(found)
}

/// Of a word, or of a question's vector.
#[derive(FromRow)]
struct Row {
    /// From 1; none for a word.
    question: Option<i64>,
    word: String,
    lexeme: String,
    chunks: Vec<i32>,
    articles: Vec<i32>,
    weights: Vec<f64>,
    beside: Vec<f64>,
    of_chunks: i32,
}

/// Vectors have length 1, so the product is the cosine. The nearest 50 are more than
/// any search shows. The questions' vectors are made once: without `materialized` they
/// would be put together again for every vector that they are compared with, which
/// takes eight times as long as comparing.
pub(crate) const LOOK_UP: &str = "
with asked as materialized (
    select number::bigint as question,
        ($2::real[])[(number - 1) * $4 + 1 : number * $4]::vector as vector
    from generate_series(1, cardinality($2::real[]) / nullif($4, 0)) as number)
select null::bigint as question, asked.word, found.lexeme,
    coalesce(t.chunks, '{}') as chunks, coalesce(t.articles, '{}') as articles,
    coalesce(t.weights, '{}') as weights, '{}'::float8[] as beside,
    coalesce(t.of_chunks, 0) as of_chunks
from unnest($1::text[]) as asked (word)
cross join lateral unnest(to_tsvector('english', asked.word)) as found
left join lateral (
    select * from knowledge_terms where lexeme = found.lexeme limit 1) as t on true
union all
select asked.question, '', '',
    array_agg(near.number order by near.likeness desc, near.number), '{}'::integer[],
    array_agg(near.likeness order by near.likeness desc, near.number),
    array_agg(near.of_article order by near.likeness desc, near.number), 0
from asked
cross join lateral (
    select v.number, max(-(v.vector <#> asked.vector)) as likeness,
        avg(max(-(v.vector <#> asked.vector))) over (partition by min(v.article)) as of_article
    from knowledge_vectors v
    where v.model = $3 and v.dimension = $4::integer
    group by v.number
    order by likeness desc, v.number limit 50) as near
group by asked.question";
