//! Parking: later events of a dead-lettered key follow it, so that order survives.
//! The runner asks; who remembers the keys is behind this seam.

use contract::DeadLetter;
use futures::FutureExt as _;
use futures::future::BoxFuture;

use crate::handler::Failure;
use crate::record::Received;
use crate::replay::is_for_another_group;

mod table;
#[cfg(test)]
mod tests;

pub(crate) use table::ParkedKeys;

/// What to do with a record that concerns parking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    Handle,
    /// To the dead letters, behind the ones that stand there.
    Follow,
    /// Finish the offset and nothing else: a replay for another group, one that is
    /// not the next in line, or one that was handled before.
    Skip,
}

/// What becomes of a letter once its key is parked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parked {
    /// It is new: publish it.
    New,
    /// A replay came back: its letter stands in its old place and is not published.
    Again,
}

/// What the runner needs of parking, for one group on one topic.
pub(crate) trait Parking: Send + Sync + 'static {
    /// Partitions gained: what is parked in them is not known yet.
    fn assigned(&self, partitions: &[i32]);

    fn revoked(&self, partitions: &[i32]);

    /// Whether [`Parking::admit`] must be asked before this record is handled.
    /// Called for every record when its key's turn comes, so it only looks into
    /// memory; `true` when unsure.
    fn concerns(&self, received: &Received) -> bool;

    /// Decides about a record that concerns parking.
    fn admit<'a>(&'a self, received: &'a Received) -> BoxFuture<'a, Result<Admission, Failure>>;

    /// A record that was admitted has been handled; before its offset is finished.
    fn handled<'a>(&'a self, received: &'a Received) -> BoxFuture<'a, Result<(), Failure>>;

    /// Remembers the letter's key. Comes before the letter is published, and again
    /// after a crash between the two.
    fn park<'a>(
        &'a self,
        received: &'a Received,
        letter: &'a DeadLetter,
    ) -> BoxFuture<'a, Result<Parked, Failure>>;
}

/// For consumers whose keys never park.
pub(crate) struct NoParking {
    pub(crate) group: &'static str,
}

impl Parking for NoParking {
    fn assigned(&self, _partitions: &[i32]) {}

    fn revoked(&self, _partitions: &[i32]) {}

    fn concerns(&self, received: &Received) -> bool {
        is_for_another_group(received, self.group)
    }

    fn admit<'a>(&'a self, _received: &'a Received) -> BoxFuture<'a, Result<Admission, Failure>> {
        async { Ok(Admission::Skip) }.boxed()
    }

    fn handled<'a>(&'a self, _received: &'a Received) -> BoxFuture<'a, Result<(), Failure>> {
        async { Ok(()) }.boxed()
    }

    fn park<'a>(
        &'a self,
        _received: &'a Received,
        _letter: &'a DeadLetter,
    ) -> BoxFuture<'a, Result<Parked, Failure>> {
        async { Ok(Parked::New) }.boxed()
    }
}
