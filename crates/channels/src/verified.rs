//! What a provider has vouched for.

use std::ops::Deref;

/// Something whose sender was checked. Only the checks of this crate make one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified<T>(pub(crate) T);

impl<T> Deref for Verified<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}
