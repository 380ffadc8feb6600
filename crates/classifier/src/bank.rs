//! The vectors of all labelled sentences, in one piece of memory.

use crate::{Sample, TrainError, dot};

/// Vectors that new ones are compared with.
#[derive(Debug, Clone)]
pub struct Bank {
    vectors: Vec<f32>,
    dimension: usize,
}

impl Bank {
    /// The vectors of sentences, in their order.
    pub fn of(samples: &[Sample]) -> Result<Self, TrainError> {
        let dimension = samples.first().map_or(0, |sample| sample.vector.len());
        if samples.iter().any(|sample| sample.vector.len() != dimension) {
            return Err(TrainError::Dimension);
        }
        let vectors = samples.iter().flat_map(|sample| sample.vector.iter().copied()).collect();
        Ok(Self { vectors, dimension })
    }

    /// How like a vector is to each: 1 where it is the same, near 0 where it is far away.
    pub fn likeness(&self, vector: &[f32]) -> Vec<f32> {
        let known = self.vectors.chunks_exact(self.dimension.max(1));
        known.map(|known| bell(dot(known, vector))).collect()
    }

    /// The same for some of them.
    pub(crate) fn likeness_to(&self, vector: &[f32], rows: &[usize]) -> Vec<f32> {
        let known = |row: &usize| {
            let start = row * self.dimension;
            self.vectors.get(start..start + self.dimension).unwrap_or_default()
        };
        rows.iter().map(|row| bell(dot(known(row), vector))).collect()
    }
}

/// A bell over the distance: far away is nothing, not the contrary.
fn bell(near: f32) -> f32 {
    (2.0 * near - 2.0).exp()
}
