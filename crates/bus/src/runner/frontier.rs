//! How far a partition is finished without a gap: the offset that may be committed.

use std::collections::VecDeque;

/// The received and not yet committable offsets of one partition, ascending.
#[derive(Debug, Default)]
pub(crate) struct Frontier {
    open: VecDeque<(i64, bool)>,
    last: Option<i64>,
}

impl Frontier {
    /// The newest offset received.
    pub(crate) fn last(&self) -> Option<i64> {
        self.last
    }

    pub(crate) fn is_open(&self, offset: i64) -> bool {
        self.open.binary_search_by_key(&offset, |(offset, _)| *offset).is_ok()
    }

    /// Takes a received offset, above every one before. Offsets may have gaps.
    pub(crate) fn receive(&mut self, offset: i64) {
        self.open.push_back((offset, false));
        self.last = Some(offset);
    }

    /// Marks an offset as finished. When that closes the gap at the front, gives the
    /// next offset to read: everything below it is finished.
    pub(crate) fn finish(&mut self, offset: i64) -> Option<i64> {
        let index = self.open.binary_search_by_key(&offset, |(offset, _)| *offset).ok()?;
        if let Some((_, finished)) = self.open.get_mut(index) {
            *finished = true;
        }
        let mut next = None;
        while let Some((offset, true)) = self.open.front() {
            next = Some(offset + 1);
            self.open.pop_front();
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_frontier_waits_for_the_oldest_unfinished_offset() {
        let mut frontier = Frontier::default();
        for offset in [3, 4, 7] {
            frontier.receive(offset);
        }

        assert_eq!(frontier.finish(4), None);
        assert_eq!(frontier.finish(7), None);
        assert_eq!(frontier.finish(3), Some(8));
    }

    #[test]
    fn an_offset_finished_twice_moves_nothing() {
        let mut frontier = Frontier::default();
        frontier.receive(3);

        assert_eq!(frontier.finish(3), Some(4));
        assert_eq!(frontier.finish(3), None);
    }

    proptest! {
        #[test]
        fn the_frontier_never_passes_an_unfinished_offset(
            order in Just((0..40_i64).collect::<Vec<_>>()).prop_shuffle(),
            finished in 0..40_usize,
        ) {
            let mut frontier = Frontier::default();
            (0..40).for_each(|offset| frontier.receive(offset));

            let mut committed = 0;
            for offset in &order[..finished] {
                if let Some(next) = frontier.finish(*offset) {
                    committed = next;
                }
            }

            let oldest_unfinished = order[finished..].iter().min().copied();
            prop_assert_eq!(committed, oldest_unfinished.unwrap_or(40));
        }
    }
}
