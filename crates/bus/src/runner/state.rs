//! What the runner knows: lanes of keys, frontiers of partitions, timers. It decides
//! and never waits; what must happen outside comes out as effects.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::sync::Arc;

use contract::{DeadLetterClass, Topic};
use tokio::time::Instant;

use super::frontier::Frontier;
use super::gate::Gate;
use super::intake::{Flow, Intake};
use super::lane::{Item, Job, Lane, LaneId, Phase};
use super::patience::Patience;
use crate::bus::ConsumerSettings;
use crate::record::Received;
use crate::source::RawRecord;

#[derive(Debug)]
pub(crate) enum Effect {
    Finish {
        partition: i32,
        next_offset: i64,
    },
    Flow(Flow),
    Bury(Burial),
    /// An event failed and will be tried again.
    Failed {
        partition: i32,
        offset: i64,
        attempt: u32,
        error: String,
    },
    GateClosed(anyhow::Error),
    GateOpened,
    /// So many keys have no tries left that nothing may be believed any more.
    Outage(usize),
}

/// An event to publish as a dead letter; its lane waits for that.
#[derive(Debug)]
pub(crate) struct Burial {
    pub(crate) lane: LaneId,
    pub(crate) item: Item,
    pub(crate) class: DeadLetterClass,
    pub(crate) error: String,
}

#[derive(Debug, Default)]
pub(super) struct Partition {
    pub(super) frontier: Frontier,
    pub(super) lanes: HashMap<Arc<str>, LaneId>,
}

#[derive(Debug)]
pub(crate) struct State {
    topic: Topic,
    batch_size: usize,
    pub(super) partitions: HashMap<i32, Partition>,
    pub(super) lanes: HashMap<LaneId, Lane>,
    next_lane: u64,
    /// May hold lanes that are gone or no longer ready.
    pub(super) ready: VecDeque<LaneId>,
    pub(super) timers: BinaryHeap<Reverse<(Instant, LaneId)>>,
    pub(super) gate: Gate,
    pub(super) patience: Patience,
    pub(super) intake: Intake,
    pub(super) effects: Vec<Effect>,
}

impl State {
    pub(crate) fn new(settings: &ConsumerSettings, batch_size: usize) -> Self {
        Self {
            topic: settings.topic,
            batch_size,
            partitions: HashMap::new(),
            lanes: HashMap::new(),
            next_lane: 0,
            ready: VecDeque::new(),
            timers: BinaryHeap::new(),
            gate: Gate::default(),
            patience: Patience::new(settings.retry_delays.clone()),
            intake: Intake::new(settings.buffer_bytes),
            effects: Vec::new(),
        }
    }

    /// What must happen outside, in order.
    pub(crate) fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    pub(crate) fn assigned(&mut self, partitions: &[i32]) {
        for partition in partitions {
            self.forget_partition(*partition);
            self.partitions.insert(*partition, Partition::default());
            self.intake.assigned(*partition);
        }
    }

    pub(crate) fn revoked(&mut self, partitions: &[i32]) {
        for partition in partitions {
            self.forget_partition(*partition);
        }
        self.resume();
    }

    fn forget_partition(&mut self, number: i32) {
        let Some(partition) = self.partitions.remove(&number) else { return };
        for lane in partition.lanes.into_values() {
            self.lanes.remove(&lane);
            self.patience.forget(lane);
        }
        self.intake.revoked(number);
    }

    pub(crate) fn owned(&self) -> Vec<i32> {
        self.partitions.keys().copied().collect()
    }

    /// Takes a record in; one of a partition not owned is dropped.
    pub(crate) fn push(&mut self, record: RawRecord) {
        let (number, offset) = (record.partition, record.offset);
        let Some(partition) = self.partitions.get_mut(&number) else { return };
        if partition.frontier.last().is_some_and(|last| offset <= last) {
            if partition.frontier.is_open(offset) {
                return; // Handed over twice.
            }
            // The log starts over below us: its topic was deleted and made again.
            self.assigned(&[number]);
        }
        let Some(partition) = self.partitions.get_mut(&number) else { return };
        partition.frontier.receive(offset);
        let item = Item::new(self.topic, record);
        let flow = self.intake.add(number, item.bytes);
        self.effects.extend(flow.map(Effect::Flow));

        let known = partition.lanes.get(item.received.key.as_str());
        if let Some(lane) = known.and_then(|id| self.lanes.get_mut(id)) {
            lane.queue.push_back(item);
            return;
        }
        let id = LaneId(self.next_lane);
        self.next_lane += 1;
        let key: Arc<str> = item.received.key.as_str().into();
        partition.lanes.insert(Arc::clone(&key), id);
        let lane = Lane {
            partition: number,
            key,
            queue: VecDeque::from([item]),
            phase: Phase::Ready,
            singly: 0,
            exhausted: None,
            is_released: false,
        };
        self.lanes.insert(id, lane);
        self.ready.push_back(id);
    }

    /// The next call of the handler: one event, or up to a batch of what is ready. An
    /// event that `stands_alone` says so of, a probe, and what is left of a failed
    /// batch come one at a time.
    pub(crate) fn next_job(
        &mut self,
        now: Instant,
        stands_alone: impl Fn(&Received) -> bool,
    ) -> Option<Job> {
        let ticket = self.gate.ticket(now)?;
        let limit = if ticket.is_probe { 1 } else { self.batch_size };
        let mut items = Vec::new();
        while items.len() < limit {
            let Some(id) = self.ready.pop_front() else { break };
            let Some(lane) = self.lanes.get_mut(&id).filter(|lane| lane.phase == Phase::Ready)
            else {
                continue;
            };
            let Some(front) = lane.queue.front() else { continue };
            let alone = lane.singly > 0 || stands_alone(&front.received);
            if alone && !items.is_empty() {
                self.ready.push_front(id);
                break;
            }
            lane.phase = Phase::Running;
            lane.singly = lane.singly.saturating_sub(1);
            let room = if alone { 1 } else { limit - items.len() };
            let mut taken = 0;
            while taken < room
                && let Some(mut item) =
                    lane.queue.pop_front_if(|item| taken == 0 || !stands_alone(&item.received))
            {
                item.received.attempt += 1;
                items.push((id, item));
                taken += 1;
            }
            if alone {
                break;
            }
        }
        if items.is_empty() {
            return None;
        }
        self.gate.started(ticket);
        Some(Job { ticket, items })
    }

    /// Whether some lane may have work.
    pub(crate) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// When [`State::wake`] has something to do, or a probe may start: with a free
    /// slot only, for without one the time would come again and again.
    pub(crate) fn wakes_at(&self, has_slot: bool) -> Option<Instant> {
        let timer = self.timers.peek().map(|Reverse((at, _))| *at);
        let probe = self.gate.wakes_at().filter(|_| has_slot && !self.ready.is_empty());
        timer.into_iter().chain(probe).min()
    }

    /// Makes the lanes ready whose instant has come.
    pub(crate) fn wake(&mut self, now: Instant) {
        while let Some(Reverse((at, id))) = self.timers.peek().copied()
            && at <= now
        {
            self.timers.pop();
            if self.lanes.get(&id).is_some_and(|lane| lane.phase == Phase::Waiting(at)) {
                self.make_ready(id);
            }
        }
    }
}
