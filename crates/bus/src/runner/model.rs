//! The state against a model: whatever comes in whatever order, the promises hold.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;

use bytes::Bytes;
use contract::Topic;
use proptest::prelude::*;
use tokio::time::Instant;

use super::lane::{Finished, Item, Job, LaneId, Verdict};
use super::state::{Burial, Effect, State};
use crate::bus::ConsumerSettings;
use crate::record::{Headers, Received};
use crate::source::RawRecord;

const PARTITIONS: i32 = 3;

#[derive(Debug, Clone)]
enum Step {
    /// A record of this key arrives on this partition.
    Arrive(i32, u8),
    /// As many jobs start as may.
    Start,
    /// One of the running jobs ends so.
    End(usize, Ending),
    /// One of the letters on its way stands in the log.
    Bury(usize),
    /// A partition goes away and comes back, read from its committed offset.
    Lose(i32),
    Wait,
}

#[derive(Debug, Clone, Copy)]
enum Ending {
    Done,
    Skip,
    Defer,
    Unavailable,
    Retry,
    Reject,
}

fn step() -> impl Strategy<Value = Step> {
    let ending = prop_oneof![
        4 => Just(Ending::Done),
        1 => Just(Ending::Skip),
        1 => Just(Ending::Defer),
        1 => Just(Ending::Unavailable),
        1 => Just(Ending::Retry),
        1 => Just(Ending::Reject),
    ];
    prop_oneof![
        6 => (0..PARTITIONS, 0..4_u8).prop_map(|(partition, key)| Step::Arrive(partition, key)),
        4 => Just(Step::Start),
        6 => (any::<usize>(), ending).prop_map(|(job, ending)| Step::End(job, ending)),
        3 => any::<usize>().prop_map(Step::Bury),
        1 => (0..PARTITIONS).prop_map(Step::Lose),
        2 => Just(Step::Wait),
    ]
}

/// A log of one topic, a consumer of it, and what the consumer may not do.
struct Model {
    state: State,
    now: Instant,
    log: BTreeMap<i32, Vec<u8>>,
    committed: BTreeMap<i32, i64>,
    /// Handled or buried, ever.
    finished: HashSet<(i32, i64)>,
    running: Vec<Job>,
    burials: Vec<Burial>,
    paused: BTreeSet<i32>,
}

impl Model {
    fn new(batch_size: usize) -> Self {
        let mut settings = ConsumerSettings::new("group", Topic::Metrics);
        settings.buffer_bytes = 3_000;
        settings.retry_delays = vec![Duration::from_millis(10)];
        let mut state = State::new(&settings, batch_size);
        state.assigned(&(0..PARTITIONS).collect::<Vec<_>>());
        Self {
            state,
            now: Instant::now(),
            log: BTreeMap::new(),
            committed: BTreeMap::new(),
            finished: HashSet::new(),
            running: Vec::new(),
            burials: Vec::new(),
            paused: BTreeSet::new(),
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Arrive(partition, key) => {
                self.log.entry(partition).or_default().push(key);
                let offset = self.log[&partition].len() as i64 - 1;
                self.hand_over(partition, offset);
            }
            Step::Start => self.start(),
            Step::End(job, ending) if !self.running.is_empty() => {
                let job = self.running.swap_remove(job % self.running.len());
                self.end(job, ending);
            }
            Step::Bury(burial) if !self.burials.is_empty() => {
                let burial = self.burials.swap_remove(burial % self.burials.len());
                self.finish(&burial.item);
                self.state.buried(burial.lane, &burial.item);
            }
            Step::End(..) | Step::Bury(_) => {}
            Step::Lose(partition) => self.lose(partition),
            Step::Wait => {
                self.now += Duration::from_millis(50);
                self.state.wake(self.now);
            }
        }
        self.apply();
    }

    fn hand_over(&mut self, partition: i32, offset: i64) {
        let key = self.log[&partition][offset as usize];
        self.state.push(RawRecord {
            partition,
            offset,
            key: key.to_string(),
            headers: Headers::default(),
            payload: Bytes::from_static(&[0; 100]),
            timestamp_ms: 0,
        });
    }

    fn lose(&mut self, partition: i32) {
        self.state.revoked(&[partition]);
        self.paused.remove(&partition);
        self.state.assigned(&[partition]);
        self.apply();
        let committed = self.committed.get(&partition).copied().unwrap_or_default();
        let end = self.log.get(&partition).map_or(0, Vec::len) as i64;
        (committed..end).for_each(|offset| self.hand_over(partition, offset));
    }

    fn start(&mut self) {
        while let Some(job) = self.state.next_job(self.now, |_| false) {
            let lanes: HashSet<LaneId> = job.items.iter().map(|(lane, _)| *lane).collect();
            for other in &self.running {
                let shared = other.items.iter().any(|(lane, _)| lanes.contains(lane));
                assert!(!shared, "two jobs share a key");
            }
            let mut started = HashSet::new();
            for (_, item) in &job.items {
                let Received { partition, offset, key, .. } = &item.received;
                let records = self.log[partition].iter().zip(0_i64..).take(*offset as usize);
                for (_, earlier) in records.filter(|(of, _)| of.to_string() == *key) {
                    let place = (*partition, earlier);
                    let is_before = self.finished.contains(&place) || started.contains(&place);
                    assert!(is_before, "{place:?} was overtaken by {offset}");
                }
                started.insert((*partition, *offset));
            }
            self.running.push(job);
        }
    }

    fn end(&mut self, job: Job, ending: Ending) {
        let Job { ticket, items } = job;
        let is_batch = items.len() > 1;
        let verdict = || match ending {
            Ending::Done => Verdict::Done,
            Ending::Skip => Verdict::Skip,
            Ending::Unavailable => Verdict::Unavailable,
            _ if is_batch => Verdict::Singly,
            Ending::Defer => Verdict::Defer(self.now + Duration::from_millis(20)),
            Ending::Retry => Verdict::Retry(anyhow::anyhow!("again")),
            Ending::Reject => Verdict::Reject(anyhow::anyhow!("never")),
        };
        let results: Vec<_> =
            items.into_iter().map(|(lane, item)| (lane, item, verdict())).collect();
        if matches!(ending, Ending::Done | Ending::Skip) {
            results.iter().for_each(|(_, item, _)| self.finish(item));
        }
        let unavailable = matches!(ending, Ending::Unavailable).then(|| anyhow::anyhow!("away"));
        self.state.settle(Finished { ticket, results, unavailable }, self.now);
    }

    fn finish(&mut self, item: &Item) {
        self.finished.insert((item.received.partition, item.received.offset));
    }

    fn apply(&mut self) {
        for effect in self.state.take_effects() {
            match effect {
                Effect::Finish { partition, next_offset } => {
                    for offset in 0..next_offset {
                        let place = (partition, offset);
                        assert!(self.finished.contains(&place), "{place:?} was passed over");
                    }
                    let before = self.committed.insert(partition, next_offset);
                    assert!(before <= Some(next_offset), "a commit went back");
                }
                Effect::Bury(burial) => self.burials.push(burial),
                Effect::Flow(super::intake::Flow::Pause(partition)) => {
                    assert!(self.paused.insert(partition), "paused twice");
                }
                Effect::Flow(super::intake::Flow::Resume(partition)) => {
                    assert!(self.paused.remove(&partition), "resumed twice");
                }
                Effect::Failed { .. }
                | Effect::GateClosed(_)
                | Effect::GateOpened
                | Effect::Outage(_) => {}
            }
        }
    }

    /// Everything works from now on: nothing may be left.
    fn run_dry(&mut self) {
        for _ in 0..2_000 {
            self.take(Step::Wait);
            self.take(Step::Start);
            while !self.running.is_empty() {
                self.take(Step::End(0, Ending::Done));
            }
            while !self.burials.is_empty() {
                self.take(Step::Bury(0));
            }
            if self.is_dry() {
                return;
            }
        }
        panic!("committed {:?} of {:?}", self.committed, self.log);
    }

    fn is_dry(&self) -> bool {
        self.log.iter().all(|(partition, records)| {
            self.committed.get(partition) == Some(&(records.len() as i64))
        })
    }
}

proptest! {
    #[test]
    fn the_state_keeps_its_promises(
        steps in prop::collection::vec(step(), 0..200),
        batch_size in prop_oneof![Just(1_usize), Just(3), Just(50)],
    ) {
        let mut model = Model::new(batch_size);
        steps.into_iter().for_each(|step| model.take(step));

        model.run_dry();

        prop_assert!(model.paused.is_empty(), "{:?} stayed paused", model.paused);
    }
}
