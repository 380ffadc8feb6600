//! What a member owns and how far each partition is: plain state, no I/O.

use std::collections::{BTreeMap, VecDeque};

use tokio::time::Instant;

use crate::source::{RawRecord, SourceEvent};

/// One owned partition.
#[derive(Debug)]
struct Owned {
    epoch: i64,
    /// The next offset to hand over.
    position: i64,
    /// Everything below is finished by the runner.
    finished: i64,
    /// What the cursor says.
    committed: i64,
    paused: bool,
    /// Given up by this instant, or once all that was handed over is finished.
    draining: Option<Instant>,
}

/// A lease as the database has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub(super) struct Lease {
    pub(super) partition: i32,
    pub(super) epoch: i64,
    pub(super) next_offset: i64,
}

/// Records of one partition, fetched from `from` on.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) partition: i32,
    pub(super) from: i64,
    pub(super) records: Vec<RawRecord>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    owned: BTreeMap<i32, Owned>,
    /// Assignment changes that the runner has not heard of yet.
    changes: VecDeque<SourceEvent>,
}

impl State {
    /// Takes in what the database says this member holds; true if anything changed.
    pub(super) fn reconcile(&mut self, leases: &[Lease]) -> bool {
        let lost: Vec<i32> = self
            .owned
            .iter()
            .filter(|(partition, owned)| {
                !leases.iter().any(|l| l.partition == **partition && l.epoch == owned.epoch)
            })
            .map(|(partition, _)| *partition)
            .collect();
        self.lose(&lost);
        let gained = self.gain(leases);
        !lost.is_empty() || gained
    }

    /// Adds leases that are new to this member.
    pub(super) fn gain(&mut self, leases: &[Lease]) -> bool {
        let mut gained = Vec::new();
        for lease in leases {
            if self.owned.contains_key(&lease.partition) {
                continue;
            }
            let owned = Owned {
                epoch: lease.epoch,
                position: lease.next_offset,
                finished: lease.next_offset,
                committed: lease.next_offset,
                paused: false,
                draining: None,
            };
            self.owned.insert(lease.partition, owned);
            gained.push(lease.partition);
        }
        let any = !gained.is_empty();
        if any {
            self.changes.push_back(SourceEvent::Assigned(gained));
        }
        any
    }

    /// Drops partitions, whoever took them.
    pub(super) fn lose(&mut self, partitions: &[i32]) {
        let lost: Vec<i32> =
            partitions.iter().copied().filter(|p| self.owned.remove(p).is_some()).collect();
        if !lost.is_empty() {
            self.changes.push_back(SourceEvent::Revoked(lost));
        }
    }

    pub(super) fn lose_all(&mut self) -> bool {
        let all: Vec<i32> = self.owned.keys().copied().collect();
        self.lose(&all);
        !all.is_empty()
    }

    pub(super) fn next_change(&mut self) -> Option<SourceEvent> {
        self.changes.pop_front()
    }

    /// Where to fetch, per partition. A partition that drains gets nothing new.
    pub(super) fn wanted(&self) -> Vec<(i32, i64)> {
        self.owned
            .iter()
            .filter(|(_, owned)| !owned.paused && owned.draining.is_none())
            .map(|(partition, owned)| (*partition, owned.position))
            .collect()
    }

    /// The records that may be handed over now. A fetch that went on from another
    /// place than the current one is out of date (the partition was lost and gained,
    /// or paused, meanwhile) and is read again.
    pub(super) fn accept(&mut self, fetched: Vec<Fetched>) -> Vec<RawRecord> {
        if !self.changes.is_empty() {
            return Vec::new();
        }
        let mut accepted = Vec::new();
        for part in fetched {
            let Some(owned) = self.owned.get_mut(&part.partition) else { continue };
            if owned.paused || owned.draining.is_some() || owned.position != part.from {
                continue;
            }
            if let Some(last) = part.records.last() {
                owned.position = last.offset + 1;
            }
            accepted.extend(part.records);
        }
        accepted
    }

    pub(super) fn set_paused(&mut self, partition: i32, paused: bool) {
        if let Some(owned) = self.owned.get_mut(&partition) {
            owned.paused = paused;
        }
    }

    pub(super) fn finish(&mut self, partition: i32, next_offset: i64) {
        if let Some(owned) = self.owned.get_mut(&partition) {
            owned.finished = owned.finished.max(next_offset);
        }
    }

    /// Finished offsets that are not durable yet.
    pub(super) fn unsaved(&self) -> Vec<Lease> {
        self.owned
            .iter()
            .filter(|(_, owned)| owned.finished > owned.committed)
            .map(|(partition, owned)| Lease {
                partition: *partition,
                epoch: owned.epoch,
                next_offset: owned.finished,
            })
            .collect()
    }

    /// These are durable now.
    pub(super) fn saved(&mut self, saved: &[Lease]) {
        for lease in saved {
            if let Some(owned) = self.owned.get_mut(&lease.partition) {
                owned.committed = owned.committed.max(lease.next_offset);
            }
        }
    }

    /// Begins to give up all above the quota, the highest numbers first.
    pub(super) fn shrink_to(&mut self, quota: usize, limit: Instant) {
        let staying = self.owned.values().filter(|owned| owned.draining.is_none()).count();
        let surplus = staying.saturating_sub(quota);
        let leaving = self.owned.values_mut().rev().filter(|owned| owned.draining.is_none());
        for owned in leaving.take(surplus) {
            owned.draining = Some(limit);
        }
    }

    /// How many more the quota allows.
    pub(super) fn room(&self, quota: usize) -> usize {
        quota.saturating_sub(self.owned.len())
    }

    /// Partitions that have drained, or had their time.
    pub(super) fn drained(&self, now: Instant) -> Vec<Lease> {
        self.owned
            .iter()
            .filter(|(_, owned)| match owned.draining {
                Some(limit) => owned.finished >= owned.position || now >= limit,
                None => false,
            })
            .map(|(partition, owned)| Lease {
                partition: *partition,
                epoch: owned.epoch,
                next_offset: owned.finished,
            })
            .collect()
    }

    pub(super) fn is_draining(&self) -> bool {
        self.owned.values().any(|owned| owned.draining.is_some())
    }

    pub(super) fn leases(&self) -> Vec<Lease> {
        self.owned
            .iter()
            .map(|(partition, owned)| Lease {
                partition: *partition,
                epoch: owned.epoch,
                next_offset: owned.finished,
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;

    use super::*;
    use crate::record::Headers;

    fn lease(partition: i32, epoch: i64, next_offset: i64) -> Lease {
        Lease { partition, epoch, next_offset }
    }

    fn fetched(partition: i32, from: i64, count: i64) -> Fetched {
        let records = (from..from + count)
            .map(|offset| RawRecord {
                partition,
                offset,
                key: String::new(),
                headers: Headers::default(),
                payload: Bytes::new(),
                timestamp_ms: 0,
            })
            .collect();
        Fetched { partition, from, records }
    }

    fn state(leases: &[Lease]) -> State {
        let mut state = State::default();
        state.gain(leases);
        while state.next_change().is_some() {}
        state
    }

    #[test]
    fn records_of_a_paused_partition_are_read_again_after_it_resumes() {
        let mut state = state(&[lease(0, 1, 5)]);
        let early = fetched(0, 5, 3);

        state.set_paused(0, true);
        assert!(state.accept(vec![early]).is_empty());
        state.set_paused(0, false);

        assert_eq!(state.wanted(), [(0, 5)]);
        assert_eq!(state.accept(vec![fetched(0, 5, 3)]).len(), 3);
        assert_eq!(state.wanted(), [(0, 8)]);
    }

    #[test]
    fn a_fetch_from_an_older_place_is_dropped() {
        let mut state = state(&[lease(0, 1, 5)]);
        state.accept(vec![fetched(0, 5, 3)]);

        assert!(state.accept(vec![fetched(0, 5, 3)]).is_empty());
    }

    #[test]
    fn records_wait_until_the_runner_knows_its_assignment() {
        let mut state = State::default();
        state.gain(&[lease(0, 1, 0)]);

        assert!(state.accept(vec![fetched(0, 0, 1)]).is_empty());
        assert!(matches!(state.next_change(), Some(SourceEvent::Assigned(p)) if p == [0]));

        assert_eq!(state.accept(vec![fetched(0, 0, 1)]).len(), 1);
    }

    #[test]
    fn a_lease_with_another_epoch_is_lost_and_gained() {
        let mut state = state(&[lease(0, 1, 0), lease(1, 1, 0)]);

        assert!(state.reconcile(&[lease(0, 2, 9), lease(1, 1, 0)]));

        assert!(matches!(state.next_change(), Some(SourceEvent::Revoked(p)) if p == [0]));
        assert!(matches!(state.next_change(), Some(SourceEvent::Assigned(p)) if p == [0]));
        assert_eq!(state.wanted(), [(0, 9), (1, 0)]);
    }

    #[test]
    fn a_partition_above_the_quota_goes_once_its_records_are_finished() {
        let mut state = state(&[lease(0, 1, 0), lease(1, 1, 0)]);
        let now = Instant::now();
        state.accept(vec![fetched(1, 0, 2)]);

        state.shrink_to(1, now + Duration::from_secs(5));
        assert!(state.drained(now).is_empty());
        assert_eq!(state.wanted(), [(0, 0)]);
        state.finish(1, 2);

        assert_eq!(state.drained(now), [lease(1, 1, 2)]);
    }

    #[test]
    fn a_partition_that_does_not_drain_goes_at_its_limit() {
        let mut state = state(&[lease(0, 1, 0)]);
        let limit = Instant::now();
        state.accept(vec![fetched(0, 0, 2)]);

        state.shrink_to(0, limit);

        assert_eq!(state.drained(limit), [lease(0, 1, 0)]);
    }
}
