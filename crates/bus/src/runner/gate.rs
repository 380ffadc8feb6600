//! Whether new work may start. Closed while something everybody needs is away; then
//! one probe at a time goes through, with growing pauses, for ever.

use std::time::Duration;

use tokio::time::Instant;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Long enough not to load what just comes back, short enough for people.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Under which gate a job started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticket {
    epoch: u64,
    pub(crate) is_probe: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Gate {
    /// Counts closings, so that stragglers of an earlier one change nothing.
    epoch: u64,
    closed: Option<Closed>,
}

#[derive(Debug)]
struct Closed {
    pause: Duration,
    probe_at: Instant,
    is_probing: bool,
}

impl Gate {
    /// A ticket for one job, if one may start now.
    pub(crate) fn ticket(&self, now: Instant) -> Option<Ticket> {
        match &self.closed {
            None => Some(Ticket { epoch: self.epoch, is_probe: false }),
            Some(closed) if !closed.is_probing && closed.probe_at <= now => {
                Some(Ticket { epoch: self.epoch, is_probe: true })
            }
            Some(_) => None,
        }
    }

    /// The job of this ticket has started.
    pub(crate) fn started(&mut self, ticket: Ticket) {
        if let Some(closed) = self.closed.as_mut().filter(|_| ticket.is_probe) {
            closed.is_probing = true;
        }
    }

    /// A job found something away. Gives true when that closed the gate.
    pub(crate) fn failed(&mut self, ticket: Ticket, now: Instant) -> bool {
        match &mut self.closed {
            None if ticket.epoch == self.epoch => {
                self.epoch += 1;
                self.closed = Some(Closed {
                    pause: FIRST_PAUSE,
                    probe_at: now + FIRST_PAUSE,
                    is_probing: false,
                });
                true
            }
            Some(closed) if ticket.is_probe && ticket.epoch == self.epoch => {
                closed.pause = (closed.pause * 2).min(LONGEST_PAUSE);
                closed.probe_at = now + closed.pause;
                closed.is_probing = false;
                false
            }
            _ => false,
        }
    }

    /// A job reached what it needed. Gives true when that opened the gate. Only a
    /// probe opens: others may have done their part before the outage.
    pub(crate) fn succeeded(&mut self, ticket: Ticket) -> bool {
        let opens = ticket.is_probe && ticket.epoch == self.epoch && self.closed.is_some();
        if opens {
            self.closed = None;
        }
        opens
    }

    /// When the next probe may start.
    pub(crate) fn wakes_at(&self) -> Option<Instant> {
        self.closed.as_ref().filter(|closed| !closed.is_probing).map(|closed| closed.probe_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_gate_lets_one_probe_through_after_a_pause() {
        let mut gate = Gate::default();
        let now = Instant::now();
        let ticket = gate.ticket(now).unwrap();

        assert!(gate.failed(ticket, now));
        assert_eq!(gate.ticket(now), None);
        let probe = gate.ticket(now + FIRST_PAUSE).unwrap();
        gate.started(probe);

        assert!(probe.is_probe);
        assert_eq!(gate.ticket(now + LONGEST_PAUSE), None);
        assert!(gate.succeeded(probe));
        assert!(gate.ticket(now).is_some());
    }

    #[test]
    fn pauses_between_probes_grow_to_five_seconds() {
        let mut gate = Gate::default();
        let mut now = Instant::now();
        gate.failed(gate.ticket(now).unwrap(), now);

        for _ in 0..20 {
            now = gate.wakes_at().unwrap();
            let probe = gate.ticket(now).unwrap();
            gate.started(probe);
            assert!(!gate.failed(probe, now));
        }

        assert_eq!(gate.wakes_at().unwrap() - now, LONGEST_PAUSE);
    }

    #[test]
    fn a_straggler_of_an_earlier_outage_neither_opens_nor_closes() {
        let mut gate = Gate::default();
        let now = Instant::now();
        let straggler = gate.ticket(now).unwrap();
        gate.failed(straggler, now);

        assert!(!gate.succeeded(straggler));
        let probe = gate.ticket(now + FIRST_PAUSE).unwrap();
        gate.started(probe);
        gate.succeeded(probe);

        assert!(!gate.failed(straggler, now));
        assert!(gate.ticket(now).is_some());
    }
}
