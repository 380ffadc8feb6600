//! Values on their way into statements.

/// One field of every item, for `unnest`.
pub(crate) fn column<'a, T, U>(items: &'a [T], field: impl Fn(&'a T) -> U) -> Vec<U> {
    items.iter().map(field).collect()
}

/// A count as the database has it, which knows no unsigned numbers.
pub(crate) fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
