//! The knowledge base's vectors, held in memory, and which chunks come nearest a question.
//! The database keeps them; comparing them there was the dearest step of a turn.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use classifier::{in_lanes, product};
use sqlx::PgConnection;
use store::knowledge::{self, Space, StoredVectors};

/// Most chunks that are called near: more than any search shows.
const MOST: usize = 50;

/// A chunk that means something like a question.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Near {
    pub(crate) number: i32,
    /// The cosine of the nearest of its vectors, -1 to 1.
    pub(crate) likeness: f64,
    /// The mean of that over the chunks of its article.
    pub(crate) of_article: f64,
}

/// The vectors of one space, kept until the knowledge base changes.
#[derive(Debug, Default)]
pub(crate) struct Shelf(Mutex<Arc<Vectors>>);

impl Shelf {
    /// Those of this version. A change that comes while they are read brings the next one.
    pub(crate) async fn vectors(
        &self,
        connection: &mut PgConnection,
        space: Space<'_>,
        version: i64,
    ) -> Result<Arc<Vectors>, store::Error> {
        let kept = Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner));
        if kept.version == version && kept.model == space.model && kept.is_of(space.dimension) {
            return Ok(kept);
        }
        let stored = knowledge::vectors(connection, space).await?;
        let read = Arc::new(Vectors::of(stored, space));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&read);
        Ok(read)
    }
}

/// The vectors of one space as one version of the knowledge base has them.
#[derive(Debug, Default)]
pub(crate) struct Vectors {
    version: i64,
    model: String,
    dimension: usize,
    chunks: Vec<Chunk>,
    /// How many there are.
    articles: usize,
    /// Of all vectors, one after the other.
    numbers: Vec<f32>,
}

#[derive(Debug)]
struct Chunk {
    number: i32,
    /// From 0.
    article: usize,
    /// How many.
    vectors: usize,
}

impl Vectors {
    fn of(stored: StoredVectors, space: Space<'_>) -> Self {
        let dimension = usize::try_from(space.dimension).unwrap_or_default();
        let mut vectors = Self {
            version: stored.version,
            model: space.model.to_owned(),
            dimension,
            numbers: Vec::with_capacity(dimension * stored.vectors.len()),
            ..Self::default()
        };
        let mut articles: HashMap<String, usize> = HashMap::new();
        for row in stored.vectors {
            vectors.numbers.extend(row.vector);
            match vectors.chunks.last_mut().filter(|chunk| chunk.number == row.number) {
                Some(chunk) => chunk.vectors += 1,
                None => {
                    let next = articles.len();
                    let article = *articles.entry(row.article).or_insert(next);
                    vectors.chunks.push(Chunk { number: row.number, article, vectors: 1 });
                }
            }
        }
        vectors.articles = articles.len();
        vectors
    }

    fn is_of(&self, dimension: i32) -> bool {
        usize::try_from(dimension).is_ok_and(|dimension| dimension == self.dimension)
    }

    /// The nearest chunks, the nearest first; ties by number. All vectors have length 1, so
    /// that the product is the cosine.
    pub(crate) fn near(&self, question: &[f32]) -> Vec<Near> {
        if self.dimension == 0 || question.len() != self.dimension {
            return Vec::new();
        }
        let mut of_articles = vec![(0.0, 0.0); self.articles];
        let likenesses = self.likenesses(question);
        for (chunk, likeness) in self.chunks.iter().zip(&likenesses) {
            if let Some((sum, chunks)) = of_articles.get_mut(chunk.article) {
                *sum += likeness;
                *chunks += 1.0;
            }
        }
        let near = |(chunk, likeness): (&Chunk, f64)| {
            let (sum, chunks) = of_articles.get(chunk.article)?;
            Some(Near { number: chunk.number, likeness, of_article: sum / chunks })
        };
        let mut near: Vec<Near> = self.chunks.iter().zip(likenesses).filter_map(near).collect();
        let nearest_first = |left: &Near, right: &Near| {
            right.likeness.total_cmp(&left.likeness).then(left.number.cmp(&right.number))
        };
        if near.len() > MOST {
            near.select_nth_unstable_by(MOST, nearest_first);
            near.truncate(MOST);
        }
        near.sort_by(nearest_first);
        near
    }

    /// Of each chunk that of its nearest vector.
    fn likenesses(&self, question: &[f32]) -> Vec<f64> {
        in_lanes(
            #[inline(always)]
            || {
                let mut rows = self.numbers.chunks_exact(self.dimension);
                let chunks = self.chunks.iter();
                let nearest = chunks.map(|chunk| {
                    let rows = rows.by_ref().take(chunk.vectors);
                    let nearest = rows.map(|row| product(row, question)).reduce(f32::max);
                    f64::from(nearest.unwrap_or(-1.0))
                });
                nearest.collect()
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use store::knowledge::StoredVector;

    use super::*;

    const SPACE: Space<'static> = Space { model: "m", dimension: 2 };

    fn vectors(rows: &[(i32, &str, [f32; 2])]) -> Vectors {
        let row = |(number, article, vector): &(i32, &str, [f32; 2])| StoredVector {
            number: *number,
            article: (*article).to_owned(),
            vector: vector.to_vec(),
        };
        let stored = StoredVectors { version: 1, vectors: rows.iter().map(row).collect() };
        Vectors::of(stored, SPACE)
    }

    fn percents(near: &[Near]) -> Vec<(i32, i32, i32)> {
        let percent = |share: f64| (share * 100.0).round() as i32;
        let percents =
            |near: &Near| (near.number, percent(near.likeness), percent(near.of_article));
        near.iter().map(percents).collect()
    }

    #[test]
    fn a_chunk_is_as_near_as_its_nearest_vector_and_its_article_as_its_chunks_are() {
        let known = vectors(&[
            (1, "export", [1.0, 0.0]),
            (1, "export", [0.0, 1.0]),
            (2, "invite", [-1.0, 0.0]),
            (3, "export", [-0.6, 0.8]),
            (4, "invite", [-0.6, 0.8]),
        ]);

        let near = known.near(&[0.6, 0.8]);

        assert_eq!(percents(&near), [(1, 80, 54), (3, 28, 54), (4, 28, -16), (2, -60, -16)]);
    }

    #[test]
    fn only_the_nearest_of_many_are_kept() {
        let many: Vec<_> =
            (1..=200).map(|number| (number, "a", [number as f32 / 200.0, 0.0])).collect();
        let known = vectors(&many);

        let near = known.near(&[1.0, 0.0]);

        let numbers: Vec<i32> = near.iter().map(|near| near.number).collect();
        assert_eq!(numbers, (151..=200).rev().collect::<Vec<_>>());
    }

    #[test]
    fn what_has_another_dimension_is_compared_with_nothing() {
        assert_eq!(vectors(&[(1, "a", [1.0, 0.0])]).near(&[1.0, 0.0, 0.0]), []);
        assert_eq!(Vectors::default().near(&[]), []);
    }
}
