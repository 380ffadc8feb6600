//! The closed sets of words that only mail has.

use std::str::FromStr;

use serde::Serialize;

use crate::event::DecodeError;
use crate::wire;
use crate::words::UnknownWord;

/// Who or what wrote a mail. Only a human's mail is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MailKind {
    Human,
    /// Our own mail, come back.
    Loop,
    /// A mail server's report about a mail of ours.
    Bounce,
    /// A disposition notification.
    Receipt,
    /// A machine answers a mail.
    AutoReply,
    /// A machine writes on its own.
    Notice,
    /// Sent to many.
    List,
    /// From an address that takes no answer.
    NoReply,
    /// An answer or change that a calendar made.
    Calendar,
}

/// The DMARC verdict of our own receiver about a mail's From.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Authentication {
    None,
    Pass,
    Fail,
}

/// What a mail server says it did with a mail of ours (RFC 3464 §2.3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BounceAction {
    Failed,
    /// It keeps trying.
    Delayed,
    Delivered,
    Relayed,
    Expanded,
}

impl MailKind {
    /// All values, with their words, in the order of the schema.
    const WORDS: &[(MailKind, wire::MailKind, &str)] = &[
        (MailKind::Human, wire::MailKind::Human, "human"),
        (MailKind::Loop, wire::MailKind::Loop, "loop"),
        (MailKind::Bounce, wire::MailKind::Bounce, "bounce"),
        (MailKind::Receipt, wire::MailKind::Receipt, "receipt"),
        (MailKind::AutoReply, wire::MailKind::AutoReply, "auto_reply"),
        (MailKind::Notice, wire::MailKind::Notice, "notice"),
        (MailKind::List, wire::MailKind::List, "list"),
        (MailKind::NoReply, wire::MailKind::NoReply, "no_reply"),
        (MailKind::Calendar, wire::MailKind::Calendar, "calendar"),
    ];

    pub fn as_str(self) -> &'static str {
        Self::WORDS.iter().find(|(kind, ..)| *kind == self).map_or("human", |(.., word)| word)
    }

    pub(super) fn to_wire(self) -> i32 {
        to_wire(Self::WORDS.iter().map(|(kind, wire, _)| (*kind, *wire)), self)
    }

    pub(super) fn from_wire(value: i32) -> Result<Self, DecodeError> {
        from_wire(Self::WORDS.iter().map(|(kind, wire, _)| (*kind, *wire)), value, "message.kind")
    }
}

impl FromStr for MailKind {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        let found = Self::WORDS.iter().find(|(.., name)| *name == word);
        found.map(|(kind, ..)| *kind).ok_or_else(|| UnknownWord {
            word: word.chars().take(40).collect(),
            allowed: Self::WORDS.iter().map(|(.., name)| *name).collect::<Vec<_>>().join(", "),
        })
    }
}

const AUTHENTICATIONS: [(Authentication, wire::Authentication); 3] = [
    (Authentication::None, wire::Authentication::None),
    (Authentication::Pass, wire::Authentication::Pass),
    (Authentication::Fail, wire::Authentication::Fail),
];

impl Authentication {
    pub(super) fn to_wire(self) -> i32 {
        to_wire(AUTHENTICATIONS.into_iter(), self)
    }

    pub(super) fn from_wire(value: i32) -> Result<Self, DecodeError> {
        from_wire(AUTHENTICATIONS.into_iter(), value, "message.authentication")
    }
}

const ACTIONS: [(BounceAction, wire::BounceAction); 5] = [
    (BounceAction::Failed, wire::BounceAction::Failed),
    (BounceAction::Delayed, wire::BounceAction::Delayed),
    (BounceAction::Delivered, wire::BounceAction::Delivered),
    (BounceAction::Relayed, wire::BounceAction::Relayed),
    (BounceAction::Expanded, wire::BounceAction::Expanded),
];

impl BounceAction {
    pub(super) fn to_wire(self) -> i32 {
        to_wire(ACTIONS.into_iter(), self)
    }

    pub(super) fn from_wire(value: i32) -> Result<Self, DecodeError> {
        from_wire(ACTIONS.into_iter(), value, "bounce.action")
    }
}

fn to_wire<T: PartialEq, W: Into<i32>>(mut table: impl Iterator<Item = (T, W)>, value: T) -> i32 {
    table.find(|(ours, _)| *ours == value).map_or(0, |(_, wire)| wire.into())
}

fn from_wire<T, W: Into<i32>>(
    mut table: impl Iterator<Item = (T, W)>,
    value: i32,
    field: &'static str,
) -> Result<T, DecodeError> {
    let found = table.find_map(|(ours, wire)| (wire.into() == value).then_some(ours));
    found.ok_or(DecodeError::Field(field))
}
