//! Ids as newtypes. Every id is a UUIDv5 of its cause and its role, so that a
//! replay of the same cause makes the same id.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

/// The namespace below which names from outside (ticket refs, provider ids)
/// become ids. A random UUID, fixed for ever.
const NAMESPACE: Uuid = Uuid::from_u128(0x6f1d_3c52_8a0e_4b7e_9a51_27c4_d80b_93e6);

/// The id of one `K`; two kinds never mix.
pub struct Id<K>(Uuid, PhantomData<fn() -> K>);

/// Markers for [`Id`]; they hold nothing.
pub(crate) mod kind {
    #[derive(Debug)]
    pub enum Event {}
    #[derive(Debug)]
    pub enum Conversation {}
    #[derive(Debug)]
    pub enum Customer {}
    #[derive(Debug)]
    pub enum Message {}
    #[derive(Debug)]
    pub enum Turn {}
    #[derive(Debug)]
    pub enum Reply {}
    #[derive(Debug)]
    pub enum Delivery {}
    #[derive(Debug)]
    pub enum HandOff {}
    #[derive(Debug)]
    pub enum Merge {}
}

pub type EventId = Id<kind::Event>;
pub type ConversationId = Id<kind::Conversation>;
pub type CustomerId = Id<kind::Customer>;
pub type MessageId = Id<kind::Message>;
pub type TurnId = Id<kind::Turn>;
pub type ReplyId = Id<kind::Reply>;
pub type DeliveryId = Id<kind::Delivery>;
pub type HandOffId = Id<kind::HandOff>;
pub type MergeId = Id<kind::Merge>;

impl<K> Id<K> {
    /// The id that `cause` gives in this role: UUIDv5(cause, role).
    pub fn derived(cause: impl Into<Uuid>, role: &str) -> Self {
        Self::from(Uuid::new_v5(&cause.into(), role.as_bytes()))
    }

    /// The id of something that has a name outside, such as a ticket ref.
    pub fn named(name: &str) -> Self {
        Self::from(Uuid::new_v5(&NAMESPACE, name.as_bytes()))
    }

    /// A fresh id, for what has no cause in the log (an operator's action).
    pub fn random() -> Self {
        Self::from(Uuid::new_v4())
    }

    pub fn as_uuid(self) -> Uuid {
        self.0
    }
}

impl ReplyId {
    /// The reply that this turn of the agent's decides.
    pub fn of(turn: TurnId) -> Self {
        Self::derived(turn, "reply")
    }
}

impl<K> From<Uuid> for Id<K> {
    fn from(uuid: Uuid) -> Self {
        Self(uuid, PhantomData)
    }
}

impl<K> From<Id<K>> for Uuid {
    fn from(id: Id<K>) -> Self {
        id.0
    }
}

impl<K> FromStr for Id<K> {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::from_str(text).map(Self::from)
    }
}

impl<K> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<K> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<K> Clone for Id<K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K> Copy for Id<K> {}

impl<K> PartialEq for Id<K> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<K> Eq for Id<K> {}

impl<K> PartialOrd for Id<K> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<K> Ord for Id<K> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}

impl<K> std::hash::Hash for Id<K> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl<K> Serialize for Id<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de, K> Deserialize<'de> for Id<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Uuid::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_cause_and_role_give_the_same_id() {
        let cause = EventId::named("cause");

        assert_eq!(MessageId::derived(cause, "message"), MessageId::derived(cause, "message"));
        assert_ne!(MessageId::derived(cause, "message"), MessageId::derived(cause, "other"));
    }

    #[test]
    fn a_named_id_never_changes() {
        assert_eq!(
            ConversationId::named("webform:TF-20260105-7K3Q").to_string(),
            "3adea7e9-c53b-50eb-bd75-3c5eea33867c"
        );
    }
}
