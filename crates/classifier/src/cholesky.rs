//! The equations of a symmetric matrix, solved by its triangular factor.

use crate::lanes::{add, dot, in_lanes};

/// Rows that are worked on together, so that each earlier row is fetched once for all of
/// them: about what the cache of a core holds at a few thousand sentences.
const BLOCK: usize = 48;

/// The lower triangle of a matrix, row by row in one piece of memory: the system has it back
/// as soon as it is dropped.
#[derive(Debug, Clone)]
pub(crate) struct Triangle {
    entries: Vec<f32>,
    rows: usize,
}

impl Triangle {
    pub(crate) fn with_rows(rows: usize) -> Self {
        Self { entries: vec![0.0; start_of(rows)], rows }
    }

    pub(crate) fn rows_mut(&mut self) -> impl Iterator<Item = &mut [f32]> {
        rows_of(&mut self.entries, 0)
    }

    fn row(&self, row: usize) -> &[f32] {
        self.entries.get(start_of(row)..start_of(row + 1)).unwrap_or_default()
    }
}

/// Where a row begins.
fn start_of(row: usize) -> usize {
    row * (row + 1) / 2
}

/// The rows of a part of a triangle that begins with this row.
fn rows_of(mut entries: &mut [f32], first: usize) -> impl Iterator<Item = &mut [f32]> {
    (first + 1..).map_while(move |length| {
        let (row, rest) = std::mem::take(&mut entries).split_at_mut_checked(length)?;
        entries = rest;
        Some(row)
    })
}

/// The lower triangle L of A = L·Lᵀ.
#[derive(Debug)]
pub(crate) struct Factor(Triangle);

impl Factor {
    /// Of the lower triangle of a matrix; `None` where it is not positive definite.
    pub(crate) fn of(mut lower: Triangle) -> Option<Self> {
        let rows = lower.rows;
        for first in (0..rows).step_by(BLOCK) {
            let end = (first + BLOCK).min(rows);
            let (done, rest) = lower.entries.split_at_mut(start_of(first));
            let block = rest.get_mut(..start_of(end) - start_of(first))?;
            let mut block: Vec<&mut [f32]> = rows_of(block, first).collect();
            for (column, known) in rows_of(done, 0).enumerate() {
                for row in &mut block {
                    eliminate(row, column, known)?;
                }
            }
            for at in 0..block.len() {
                let (earlier, later) = block.split_at_mut(at);
                let row = later.first_mut()?;
                for (offset, known) in earlier.iter().enumerate() {
                    eliminate(row, first + offset, known)?;
                }
                let (own, before) = row.split_last_mut()?;
                let square = *own - dot(before, before);
                if square <= 0.0 || !square.is_finite() {
                    return None;
                }
                *own = square.sqrt();
            }
        }
        Some(Self(lower))
    }

    /// Solves A·x = b for several b at once: by equation, so many b beside each other.
    pub(crate) fn solve(&self, mut right: Vec<f32>, width: usize) -> Vec<f32> {
        let width = width.max(1);
        in_lanes(
            #[inline(always)]
            || {
                for at in 0..self.0.rows {
                    let (solved, rest) = right.split_at_mut(at * width);
                    let Some(value) = rest.get_mut(..width) else { return };
                    let row = self.0.row(at);
                    for (factor, known) in row.iter().zip(solved.chunks_exact(width)) {
                        add(value, -factor, known);
                    }
                    scale(value, row.last());
                }
                for at in (0..self.0.rows).rev() {
                    let (earlier, rest) = right.split_at_mut(at * width);
                    let Some(value) = rest.get_mut(..width) else { return };
                    let row = self.0.row(at);
                    scale(value, row.last());
                    for (factor, target) in row.iter().zip(earlier.chunks_exact_mut(width)) {
                        add(target, -factor, value);
                    }
                }
            },
        );
        right
    }
}

/// Turns one entry of a row into that of the factor; the entries before it are done.
fn eliminate(row: &mut [f32], column: usize, known: &[f32]) -> Option<()> {
    let (before, rest) = row.split_at_mut(column);
    let (diagonal, known) = known.split_last()?;
    let entry = rest.first_mut()?;
    *entry = (*entry - dot(before, known)) / diagonal;
    Some(())
}

#[inline(always)]
fn scale(value: &mut [f32], diagonal: Option<&f32>) {
    let diagonal = diagonal.copied().unwrap_or(1.0);
    value.iter_mut().for_each(|value| *value /= diagonal);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// More rows than one block has.
    fn matrix() -> Triangle {
        let entry = |row: usize, column: usize| {
            let near = 1.0 / (1.0 + (row - column) as f32);
            if row == column { near + 0.5 } else { near }
        };
        let mut matrix = Triangle::with_rows(3 * BLOCK / 2);
        for (row, entries) in matrix.rows_mut().enumerate() {
            entries.iter_mut().enumerate().for_each(|(column, at)| *at = entry(row, column));
        }
        matrix
    }

    #[test]
    fn a_solution_put_into_the_equations_gives_the_right_side() {
        let lower = matrix();
        let right: Vec<f32> = (0..lower.rows).flat_map(|row| [row as f32 / 10.0, 1.0]).collect();

        let solved = Factor::of(lower.clone()).unwrap().solve(right.clone(), 2);

        let entry = |row: usize, column: usize| lower.row(row.max(column))[row.min(column)];
        for (at, right) in right.iter().enumerate() {
            let (row, side) = (at / 2, at % 2);
            let found: f32 =
                (0..lower.rows).map(|column| entry(row, column) * solved[2 * column + side]).sum();
            assert!((found - right).abs() < 1e-3, "{found} {right}");
        }
    }

    #[test]
    fn a_matrix_that_is_not_positive_definite_has_no_factor() {
        let mut matrix = Triangle::with_rows(2);
        let entries = [1.0, 2.0, 1.0];
        matrix.rows_mut().flatten().zip(entries).for_each(|(place, entry)| *place = entry);

        assert!(Factor::of(matrix).is_none());
    }
}
