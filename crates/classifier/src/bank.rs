//! The vectors of all labelled sentences, in one piece of memory.

use crate::TrainError;
use crate::lanes::{in_lanes, product};

/// Vectors that new ones are compared with.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Bank {
    vectors: Vec<f32>,
    dimension: usize,
}

impl Bank {
    /// The vectors of sentences, in their order.
    pub(crate) fn of(vectors: &[Vec<f32>]) -> Result<Self, TrainError> {
        let dimension = vectors.first().map_or(0, Vec::len);
        if vectors.iter().any(|vector| vector.len() != dimension) {
            return Err(TrainError::Dimension);
        }
        Ok(Self { vectors: vectors.concat(), dimension })
    }

    /// How like each of some vectors is to each known one: 1 where it is the same, near 0
    /// where it is far away. A known one is fetched once for all of them.
    pub(crate) fn likeness(&self, vectors: &[&[f32]]) -> Vec<Vec<f32>> {
        let dimension = self.dimension.max(1);
        let mut all = vec![Vec::with_capacity(self.vectors.len() / dimension); vectors.len()];
        in_lanes(
            #[inline(always)]
            || {
                for known in self.vectors.chunks_exact(dimension) {
                    for (likeness, vector) in all.iter_mut().zip(vectors) {
                        likeness.push(product(known, vector));
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
                    *place = product(self.row(*row), vector);
                }
            },
        );
        places.iter_mut().for_each(|place| *place = bell(*place));
    }

    fn row(&self, row: usize) -> &[f32] {
        let start = row * self.dimension;
        self.vectors.get(start..start + self.dimension).unwrap_or_default()
    }
}

/// A bell over the distance: far away is nothing, not the contrary.
fn bell(near: f32) -> f32 {
    (2.0 * near - 2.0).exp()
}
