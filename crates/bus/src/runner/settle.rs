//! What the runner makes of results: offsets finished, lanes readied, put off, buried.

use std::cmp::Reverse;
use std::collections::VecDeque;

use contract::DeadLetterClass;
use tokio::time::Instant;

use super::lane::{Finished, Item, LaneId, Phase, Verdict};
use super::state::{Burial, Effect, State};
use crate::record::Received;

impl State {
    /// Takes a job's results in. Those of partitions lost meanwhile are dropped.
    pub(crate) fn settle(&mut self, finished: Finished, now: Instant) {
        match finished.unavailable {
            Some(error) => {
                if self.gate.failed(finished.ticket, now) {
                    self.effects.push(Effect::GateClosed(error));
                }
            }
            None => {
                if self.gate.succeeded(finished.ticket) {
                    self.effects.push(Effect::GateOpened);
                }
            }
        }
        let mut results = finished.results;
        results.sort_by_key(|(lane, ..)| *lane); // Stable: log order stays.
        let mut results = results.into_iter().peekable();
        while let Some((id, item, verdict)) = results.next() {
            let is_lost = !self.lanes.contains_key(&id);
            let mut back = VecDeque::new();
            let mut first = None;
            let mut next = Some((id, item, verdict));
            while let Some((_, item, verdict)) = next {
                match verdict {
                    _ if is_lost => {}
                    Verdict::Done if first.is_none() => {
                        self.finish(&item);
                        self.succeeded(id);
                    }
                    Verdict::Skip if first.is_none() => self.finish(&item),
                    verdict => {
                        first.get_or_insert(verdict);
                        back.push_back(item);
                    }
                }
                next = results.next_if(|(other, ..)| *other == id);
            }
            self.go_on(id, back, first, now);
        }
        self.resume();
    }

    /// This key works, so what the others have no tries left for is to blame itself.
    fn succeeded(&mut self, id: LaneId) {
        let Some(lane) = self.lanes.get_mut(&id) else { return };
        lane.exhausted = None;
        lane.is_released = false;
        for other in self.patience.succeeded(id) {
            let Some(lane) = self.lanes.get_mut(&other) else { continue };
            match lane.phase {
                Phase::Running => lane.is_released = true,
                Phase::Burying => {}
                Phase::Ready | Phase::Waiting(_) => self.bury_exhausted(other),
            }
        }
    }

    fn finish(&mut self, item: &Item) {
        let Received { partition: number, offset, .. } = item.received;
        let Some(partition) = self.partitions.get_mut(&number) else { return };
        self.intake.remove(number, item.bytes);
        if let Some(next_offset) = partition.frontier.finish(offset) {
            self.effects.push(Effect::Finish { partition: number, next_offset });
        }
    }

    pub(super) fn resume(&mut self) {
        while let Some(flow) = self.intake.resumable() {
            self.effects.push(Effect::Flow(flow));
        }
    }

    /// Puts back what was not done and decides what the lane does next.
    fn go_on(
        &mut self,
        id: LaneId,
        mut back: VecDeque<Item>,
        verdict: Option<Verdict>,
        now: Instant,
    ) {
        let Some(lane) = self.lanes.get_mut(&id) else { return };
        let is_failure = matches!(verdict, Some(Verdict::Retry(_) | Verdict::Reject(_)));
        for (index, item) in back.iter_mut().enumerate() {
            // Only a failure of the event itself uses up one of its tries.
            item.received.attempt -= u32::from(!(is_failure && index == 0));
        }
        let returned = back.len();
        for item in back.into_iter().rev() {
            lane.queue.push_front(item);
        }
        match verdict {
            None if lane.queue.is_empty() => self.close_lane(id),
            None | Some(Verdict::Again | Verdict::Unavailable | Verdict::Done | Verdict::Skip) => {
                self.make_ready(id)
            }
            Some(Verdict::Singly) => {
                lane.singly = returned;
                self.make_ready(id);
            }
            Some(Verdict::Defer(until)) => self.wait(id, until),
            Some(Verdict::Follow) => self.bury(id, DeadLetterClass::Parked, String::new()),
            Some(Verdict::Reject(error)) => {
                self.bury(id, DeadLetterClass::Rejected, format!("{error:#}"));
            }
            Some(Verdict::Retry(error)) => self.retry(id, error, now),
        }
    }

    fn close_lane(&mut self, id: LaneId) {
        let Some(lane) = self.lanes.remove(&id) else { return };
        self.patience.forget(id);
        if let Some(partition) = self.partitions.get_mut(&lane.partition) {
            partition.lanes.remove(&lane.key);
        }
    }

    pub(super) fn make_ready(&mut self, id: LaneId) {
        if let Some(lane) = self.lanes.get_mut(&id) {
            lane.phase = Phase::Ready;
            self.ready.push_back(id);
        }
    }

    fn wait(&mut self, id: LaneId, until: Instant) {
        if let Some(lane) = self.lanes.get_mut(&id) {
            lane.phase = Phase::Waiting(until);
            self.timers.push(Reverse((until, id)));
        }
    }

    fn retry(&mut self, id: LaneId, error: anyhow::Error, now: Instant) {
        let Some(lane) = self.lanes.get_mut(&id) else { return };
        let Some(received) = lane.queue.front().map(|item| &item.received) else { return };
        let (delay, was_last) = self.patience.after(received.attempt);
        self.effects.push(Effect::Failed {
            partition: received.partition,
            offset: received.offset,
            attempt: received.attempt,
            error: format!("{error:#}"),
        });
        if was_last {
            lane.exhausted = Some(error);
            if lane.is_released {
                return self.bury_exhausted(id);
            }
            self.effects.extend(self.patience.exhaust(id).map(Effect::Outage));
        }
        self.wait(id, now + delay);
    }

    fn bury_exhausted(&mut self, id: LaneId) {
        let error = self.lanes.get_mut(&id).and_then(|lane| lane.exhausted.take());
        let error = error.map(|error| format!("{error:#}")).unwrap_or_default();
        self.bury(id, DeadLetterClass::Exhausted, error);
    }

    fn bury(&mut self, id: LaneId, class: DeadLetterClass, error: String) {
        let Some(lane) = self.lanes.get_mut(&id) else { return };
        let Some(item) = lane.queue.pop_front() else { return };
        lane.phase = Phase::Burying;
        lane.exhausted = None;
        lane.is_released = false;
        self.patience.forget(id);
        self.effects.push(Effect::Bury(Burial { lane: id, item, class, error }));
    }

    /// The dead letter of this event stands in the log.
    pub(crate) fn buried(&mut self, id: LaneId, item: &Item) {
        let Some(lane) = self.lanes.get(&id) else { return };
        let is_empty = lane.queue.is_empty();
        self.finish(item);
        if is_empty {
            self.close_lane(id)
        } else {
            self.make_ready(id)
        }
        self.resume();
    }
}
