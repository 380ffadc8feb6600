//! What goes wrong when: a function of the seed, printed before the run.

use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};

use crate::chaos::dice::Dice;

/// One thing that goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// SIGKILL; whoever keeps it running starts it again.
    Kill(&'static str),
    /// SIGTERM: it drains, and is started again.
    Terminate(&'static str),
    /// SIGSTOP, and SIGCONT after a while.
    Freeze(&'static str, Duration),
    /// A second replica works beside the first for a while, and drains.
    Join(&'static str, Duration),
    /// A second replica, killed after a while.
    JoinAndKill(&'static str, Duration),
    CrashDatabase,
    FreezeDatabase(Duration),
    CrashBroker,
    FreezeBroker(Duration),
    /// The newest conversations' rows stay locked.
    HoldLocks(Duration),
    /// What the next requests to send by WhatsApp meet.
    Twilio(&'static [&'static str]),
    /// What the next mails to be sent meet.
    Gmail(&'static [&'static str]),
    /// How Twilio tells of what it sent, for a while.
    Callbacks(&'static str, Duration),
    /// What happens to the next notifications about new mail.
    Pushes(&'static [&'static str]),
    /// What the next requests to the model meet.
    Model(&'static [&'static str]),
}

/// A fault and when it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Planned {
    /// After the beginning of the run.
    pub(crate) at: Duration,
    pub(crate) fault: Fault,
}

const SERVICES: [&str; 8] = [
    "webform-ingress",
    "whatsapp-ingress",
    "gmail-ingress",
    "identity-resolver",
    "agent",
    "dispatcher",
    "metrics",
    "support-api",
];

/// Those that share their work between replicas.
const REPLICATED: [&str; 3] = ["identity-resolver", "agent", "dispatcher"];

const TWILIO: [&[&str]; 5] = [
    &["too_many", "too_many", "too_many"],
    &["accept_then_drop", "accept_then_drop"],
    &["server_error_after_accepting", "broken_reply"],
    &["server_error_json", "pass"],
    &["drop", "accept_then_drop"],
];

const GMAIL: [&[&str]; 4] = [
    &["too_many", "too_many"],
    &["process_then_drop"],
    &["server_error_after_processing", "broken_reply"],
    &["server_error_json", "drop"],
];

const CALLBACKS: [&str; 4] = ["is_lost", "is_duplicated", "is_reversed", "is_early"];

const PUSHES: [&[&str]; 2] = [&["twice", "overtaken", "twice"], &["overtaken", "pass", "twice"]];

const MODEL: [&[&str]; 5] = [
    &["hang", "hang", "hang"],
    &["drop", "broken_json", "hang"],
    &["too_many", "too_many", "gateway_error"],
    // In a row they open the breaker.
    &["server_error", "server_error", "server_error", "server_error", "server_error", "hang"],
    &["slow", "slow", "hang", "slow"],
];

/// So many faults spread over the span, the first kinds in turn so that a short run has
/// every sort.
pub(crate) fn faults(seed: u64, count: usize, span: Duration, has_broker: bool) -> Vec<Planned> {
    let mut dice = Dice::new(seed, 2);
    // A sequence of its own: a seed keeps the rest of the schedule that it is known for.
    let mut model = Dice::new(seed, 3);
    let step = span / u32::try_from(count.max(1)).unwrap_or(u32::MAX);
    let first = dice.below(9);
    (0..count)
        .map(|place| {
            let step_ms = u64::try_from(step.as_millis()).unwrap_or(u64::MAX);
            let offset = Duration::from_millis(dice.below(step_ms / 2));
            let at = step * u32::try_from(place).unwrap_or(u32::MAX) + offset;
            let fault = match fault(&mut dice, first + place as u64, has_broker) {
                Fault::Callbacks(..) if model.once_in(2) => {
                    Fault::Model(model.pick(&MODEL).copied().unwrap_or_default())
                }
                fault => fault,
            };
            Planned { at, fault }
        })
        .collect()
}

fn fault(dice: &mut Dice, kind: u64, has_broker: bool) -> Fault {
    let service = dice.pick(&SERVICES).copied().unwrap_or("agent");
    let replicated = dice.pick(&REPLICATED).copied().unwrap_or("agent");
    let while_ = Duration::from_millis(1_000 + dice.below(5_000));
    match kind % 9 {
        0 => Fault::Kill(replicated),
        1 => Fault::Twilio(dice.pick(&TWILIO).copied().unwrap_or_default()),
        2 if dice.once_in(2) => Fault::JoinAndKill(replicated, while_),
        2 => Fault::Join(replicated, while_),
        3 if dice.once_in(3) => Fault::FreezeDatabase(while_),
        3 => Fault::CrashDatabase,
        4 => Fault::Freeze(service, while_ * 2),
        5 if dice.once_in(2) => Fault::Gmail(dice.pick(&GMAIL).copied().unwrap_or_default()),
        5 => Fault::Pushes(dice.pick(&PUSHES).copied().unwrap_or_default()),
        6 if has_broker && dice.once_in(2) => Fault::FreezeBroker(while_),
        6 if has_broker => Fault::CrashBroker,
        6 => Fault::HoldLocks(while_),
        7 => Fault::Callbacks(dice.pick(&CALLBACKS).copied().unwrap_or_default(), while_ * 2),
        _ if dice.once_in(3) => Fault::HoldLocks(while_),
        _ if dice.once_in(2) => Fault::Kill(service),
        _ => Fault::Terminate(service),
    }
}

/// The emulator's list of faults with these names.
pub(crate) fn scripted(names: &[&str]) -> Value {
    let fault = |name: &&str| match *name {
        "too_many" => json!({ "fault": name, "retry_after": 1, "retry_after_in_words": null }),
        _ => json!({ "fault": name }),
    };
    names.iter().map(fault).collect()
}

/// The model server's list of plays with these names.
pub(crate) fn plays(names: &[&str]) -> Value {
    let refuse = |status: u16, headers: Value| {
        let refusal = json!({ "status": status, "headers": headers });
        json!({ "play": "refuse", "refusal": refusal })
    };
    let play = |name: &&str| match *name {
        "too_many" => refuse(429, json!([["retry-after", "1"]])),
        "server_error" => refuse(500, json!([])),
        "gateway_error" => json!({ "play": "html", "status": 502 }),
        "slow" => json!({ "play": "delay", "milliseconds": 3_000 }),
        _ => json!({ "play": name }),
    };
    names.iter().map(play).collect()
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Kill(service) => write!(f, "kill -9 {service}"),
            Fault::Terminate(service) => write!(f, "SIGTERM {service}"),
            Fault::Freeze(service, while_) => write!(f, "SIGSTOP {service} for {while_:?}"),
            Fault::Join(service, while_) => write!(f, "replica of {service} for {while_:?}"),
            Fault::JoinAndKill(service, while_) => {
                write!(f, "replica of {service} for {while_:?}, then kill -9")
            }
            Fault::CrashDatabase => write!(f, "database crashes"),
            Fault::FreezeDatabase(while_) => write!(f, "SIGSTOP database for {while_:?}"),
            Fault::CrashBroker => write!(f, "broker crashes"),
            Fault::FreezeBroker(while_) => write!(f, "SIGSTOP broker for {while_:?}"),
            Fault::HoldLocks(while_) => write!(f, "conversations locked for {while_:?}"),
            Fault::Twilio(names) => write!(f, "Twilio: {}", names.join(", ")),
            Fault::Gmail(names) => write!(f, "Gmail: {}", names.join(", ")),
            Fault::Callbacks(name, while_) => write!(f, "callbacks: {name} for {while_:?}"),
            Fault::Pushes(names) => write!(f, "pushes: {}", names.join(", ")),
            Fault::Model(names) => write!(f, "model: {}", names.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_seed_gives_the_same_schedule_in_the_order_of_time() {
        let span = Duration::from_secs(60);
        let planned = faults(3, 12, span, true);

        assert_eq!(planned, faults(3, 12, span, true));
        assert_ne!(planned, faults(4, 12, span, true));
        assert!(planned.is_sorted_by_key(|planned| planned.at));
        assert!(planned.iter().all(|planned| planned.at < span));
    }

    #[test]
    fn what_the_model_does_is_known_to_its_emulator() {
        for names in MODEL {
            let plays: Vec<emulators::openai::Play> = serde_json::from_value(plays(names)).unwrap();
            assert_eq!(plays.len(), names.len());
        }
        let planned = faults(1, 200, Duration::from_secs(60), true);
        assert!(planned.iter().any(|planned| matches!(planned.fault, Fault::Model(_))));
    }

    #[test]
    fn nine_faults_are_nine_sorts_and_without_a_broker_none_is_its() {
        let planned = faults(1, 9, Duration::from_secs(60), false);
        let kinds: HashSet<_> =
            planned.iter().map(|planned| std::mem::discriminant(&planned.fault)).collect();

        assert!(kinds.len() >= 7, "{planned:?}");
        let is_brokers =
            |fault: &Fault| matches!(fault, Fault::CrashBroker | Fault::FreezeBroker(_));
        assert!(
            !faults(1, 200, Duration::from_secs(60), false).iter().any(|p| is_brokers(&p.fault))
        );
    }
}
