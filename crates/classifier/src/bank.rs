//! The vectors of all labelled sentences, in one piece of memory.

use crate::TrainError;
use crate::lanes::{in_lanes, whole_product};

/// Vectors that new ones are compared with. Going through all of them takes as long as
/// fetching them from memory does, so they are kept in half of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Bank {
    vectors: Vec<i16>,
    dimension: usize,
}

/// What 1 is in whole numbers. Vectors have length 1, so no sum of their products is above
/// its square, which is a quarter of what fits.
const ONE: f32 = 16_384.0;

impl Bank {
    /// The vectors of sentences, in their order.
    pub(crate) fn of(vectors: &[Vec<f32>]) -> Result<Self, TrainError> {
        let dimension = vectors.first().map_or(0, Vec::len);
        if vectors.iter().any(|vector| vector.len() != dimension) {
            return Err(TrainError::Dimension);
        }
        Ok(Self { vectors: vectors.iter().flat_map(|vector| whole(vector)).collect(), dimension })
    }

    /// How like each of some vectors is to each known one: 1 where it is the same, near 0
    /// where it is far away. A known one is fetched once for all of them.
    pub(crate) fn likeness(&self, vectors: &[&[f32]]) -> Vec<Vec<f32>> {
        let dimension = self.dimension.max(1);
        let vectors: Vec<Vec<i16>> = vectors.iter().map(|vector| whole(vector).collect()).collect();
        let rows = self.vectors.len() / dimension;
        let mut all: Vec<Vec<f32>> = vectors.iter().map(|_| Vec::with_capacity(rows)).collect();
        in_lanes(
            #[inline(always)]
            || {
                for known in self.vectors.chunks_exact(dimension) {
                    for (likeness, vector) in all.iter_mut().zip(&vectors) {
                        likeness.push(near(known, vector));
                    }
                }
            },
        );
        all.iter_mut().flatten().for_each(|likeness| *likeness = bell(*likeness));
        all
    }

    /// How like one known vector is to the first of others, as many as there is place for.
    pub(crate) fn likeness_to(&self, one: Option<&usize>, others: &[usize], places: &mut [f32]) {
        let vector = one.map_or(&[][..], |row| self.row(*row));
        in_lanes(
            #[inline(always)]
            || {
                for (place, row) in places.iter_mut().zip(others) {
                    *place = near(self.row(*row), vector);
                }
            },
        );
        places.iter_mut().for_each(|place| *place = bell(*place));
    }

    fn row(&self, row: usize) -> &[i16] {
        let start = row * self.dimension;
        self.vectors.get(start..start + self.dimension).unwrap_or_default()
    }
}

fn whole(vector: &[f32]) -> impl Iterator<Item = i16> {
    vector.iter().map(|number| (number * ONE).round() as i16)
}

/// The product of two vectors, as a number again.
#[inline(always)]
fn near(left: &[i16], right: &[i16]) -> f32 {
    whole_product(left, right) as f32 / (ONE * ONE)
}

/// A bell over the distance: far away is nothing, not the contrary.
fn bell(near: f32) -> f32 {
    (2.0 * near - 2.0).exp()
}
