//! The equations of a symmetric matrix, solved by its triangular factor.

use crate::dot;

/// Rows that are worked on together, so that each earlier row is fetched once for all of
/// them: about what the cache of a core holds at a few thousand sentences.
const BLOCK: usize = 48;

/// The lower triangle L of A = L·Lᵀ, row by row.
#[derive(Debug)]
pub(crate) struct Factor {
    rows: Vec<Vec<f32>>,
}

impl Factor {
    /// Of the lower triangle of a matrix; `None` where it is not positive definite.
    pub(crate) fn of(mut lower: Vec<Vec<f32>>) -> Option<Self> {
        let mut start = 0;
        while start < lower.len() {
            let end = (start + BLOCK).min(lower.len());
            let (done, rest) = lower.split_at_mut(start);
            let block = rest.get_mut(..end - start)?;
            for (column, known) in done.iter().enumerate() {
                for row in block.iter_mut() {
                    eliminate(row, column, known)?;
                }
            }
            for at in 0..block.len() {
                let (earlier, later) = block.split_at_mut(at);
                let row = later.first_mut()?;
                for (offset, known) in earlier.iter().enumerate() {
                    eliminate(row, start + offset, known)?;
                }
                let (own, before) = row.split_last_mut()?;
                let square = *own - dot(before, before);
                if square <= 0.0 || !square.is_finite() {
                    return None;
                }
                *own = square.sqrt();
            }
            start = end;
        }
        Some(Self { rows: lower })
    }

    /// Solves A·x = b for many b at once: rows are equations, columns the several b.
    pub(crate) fn solve(&self, right: &[Vec<f32>]) -> Vec<Vec<f32>> {
        let mut solved: Vec<Vec<f32>> = Vec::with_capacity(right.len());
        for (row, right) in self.rows.iter().zip(right) {
            let mut value = right.clone();
            for (factor, known) in row.iter().zip(&solved) {
                subtract(&mut value, *factor, known);
            }
            scale(&mut value, row.last());
            solved.push(value);
        }
        for at in (0..solved.len()).rev() {
            let (earlier, later) = solved.split_at_mut(at);
            let (Some(row), Some(value)) = (self.rows.get(at), later.first_mut()) else { continue };
            scale(value, row.last());
            for (factor, target) in row.iter().zip(earlier) {
                subtract(target, *factor, value);
            }
        }
        solved
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

fn subtract(target: &mut [f32], factor: f32, known: &[f32]) {
    for (target, known) in target.iter_mut().zip(known) {
        *target -= factor * known;
    }
}

fn scale(value: &mut [f32], diagonal: Option<&f32>) {
    let diagonal = diagonal.copied().unwrap_or(1.0);
    value.iter_mut().for_each(|value| *value /= diagonal);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// More rows than one block has.
    fn matrix() -> Vec<Vec<f32>> {
        let entry = |row: usize, column: usize| {
            let near = 1.0 / (1.0 + (row - column) as f32);
            if row == column { near + 0.5 } else { near }
        };
        (0..3 * BLOCK / 2).map(|row| (0..=row).map(|column| entry(row, column)).collect()).collect()
    }

    fn product(lower: &[Vec<f32>], x: &[f32]) -> Vec<f32> {
        let entry = |row: usize, column: usize| lower[row.max(column)][row.min(column)];
        (0..x.len()).map(|row| (0..x.len()).map(|at| entry(row, at) * x[at]).sum()).collect()
    }

    #[test]
    fn a_solution_put_into_the_equations_gives_the_right_side() {
        let lower = matrix();
        let right: Vec<Vec<f32>> =
            (0..lower.len()).map(|row| vec![row as f32 / 10.0, 1.0]).collect();

        let solved = Factor::of(lower.clone()).unwrap().solve(&right);

        for side in 0..2 {
            let x: Vec<f32> = solved.iter().map(|row| row[side]).collect();
            for (found, row) in product(&lower, &x).iter().zip(&right) {
                assert!((found - row[side]).abs() < 1e-3, "{found} {}", row[side]);
            }
        }
    }

    #[test]
    fn a_matrix_that_is_not_positive_definite_has_no_factor() {
        assert!(Factor::of(vec![vec![1.0], vec![2.0, 1.0]]).is_none());
    }
}
