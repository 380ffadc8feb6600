//! How many bytes each partition holds in memory, and which partitions are paused.

use std::collections::HashMap;

/// What an event costs beside its bytes: queue entries, headers, the record itself.
const OVERHEAD_BYTES: usize = 256;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    Pause(i32),
    Resume(i32),
}

/// At the high mark the partition that holds most is paused. It resumes when the total
/// has halved, or when little of it is left, so that one partition that does not drain
/// never keeps the others waiting. Marks apart from each other because a pause throws
/// away what was fetched ahead.
#[derive(Debug)]
pub(crate) struct Intake {
    high: usize,
    total: usize,
    partitions: HashMap<i32, Share>,
    paused: usize,
}

#[derive(Debug, Default)]
struct Share {
    bytes: usize,
    is_paused: bool,
}

/// The cost of one event in memory.
pub(crate) fn cost(payload_bytes: usize, key_bytes: usize) -> usize {
    payload_bytes + key_bytes + OVERHEAD_BYTES
}

impl Intake {
    pub(crate) fn new(high: usize) -> Self {
        Self { high, total: 0, partitions: HashMap::new(), paused: 0 }
    }

    pub(crate) fn assigned(&mut self, partition: i32) {
        self.revoked(partition);
        self.partitions.insert(partition, Share::default());
    }

    pub(crate) fn revoked(&mut self, partition: i32) {
        if let Some(share) = self.partitions.remove(&partition) {
            self.total -= share.bytes;
            self.paused -= usize::from(share.is_paused);
        }
    }

    pub(crate) fn add(&mut self, partition: i32, bytes: usize) -> Option<Flow> {
        let share = self.partitions.get_mut(&partition)?;
        share.bytes += bytes;
        self.total += bytes;
        if self.total < self.high {
            return None;
        }
        let fair = self.fair_share();
        let (fullest, share) = self
            .partitions
            .iter_mut()
            .filter(|(_, share)| !share.is_paused && share.bytes > fair / 2)
            .max_by_key(|(_, share)| share.bytes)?;
        share.is_paused = true;
        self.paused += 1;
        Some(Flow::Pause(*fullest))
    }

    /// Takes bytes off. What that lets flow again is appended to `flows`.
    pub(crate) fn remove(&mut self, partition: i32, bytes: usize) {
        if let Some(share) = self.partitions.get_mut(&partition) {
            share.bytes -= bytes;
            self.total -= bytes;
        }
    }

    /// A paused partition that may flow again.
    pub(crate) fn resumable(&mut self) -> Option<Flow> {
        if self.paused == 0 {
            return None;
        }
        let (all, little) = (self.total <= self.high / 2, self.fair_share() / 4);
        let (partition, share) = self
            .partitions
            .iter_mut()
            .find(|(_, share)| share.is_paused && (all || share.bytes <= little))?;
        share.is_paused = false;
        self.paused -= 1;
        Some(Flow::Resume(*partition))
    }

    fn fair_share(&self) -> usize {
        self.high / self.partitions.len().max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn intake(partitions: i32) -> Intake {
        let mut intake = Intake::new(1_000);
        (0..partitions).for_each(|partition| intake.assigned(partition));
        intake
    }

    #[test]
    fn at_the_high_mark_the_fullest_partition_pauses_and_resumes_at_half() {
        let mut intake = intake(2);

        assert_eq!(intake.add(0, 600), None);
        assert_eq!(intake.add(1, 300), None);
        assert_eq!(intake.add(1, 100), Some(Flow::Pause(0)));

        intake.remove(0, 300);
        assert_eq!(intake.resumable(), None);
        intake.remove(1, 200);
        assert_eq!(intake.resumable(), Some(Flow::Resume(0)));
        assert_eq!(intake.resumable(), None);
    }

    #[test]
    fn a_partition_that_does_not_drain_does_not_hold_back_the_others() {
        let mut intake = intake(4);
        assert_eq!(intake.add(0, 1_000), Some(Flow::Pause(0)));

        assert_eq!(intake.add(1, 100), None);
        assert_eq!(intake.add(1, 100), Some(Flow::Pause(1)));
        intake.remove(1, 150);

        assert_eq!(intake.resumable(), Some(Flow::Resume(1)));
        assert_eq!(intake.resumable(), None);
    }

    #[test]
    fn a_lost_partition_takes_its_bytes_with_it() {
        let mut intake = intake(2);
        assert_eq!(intake.add(0, 1_000), Some(Flow::Pause(0)));

        intake.revoked(0);

        assert_eq!(intake.add(1, 900), None);
    }
}
