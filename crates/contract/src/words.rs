//! The closed sets of words that events, tables and pages share.

use std::fmt;
use std::str::FromStr;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use crate::event::DecodeError;
use crate::wire;

/// A word outside its set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{word:?} is not one of {allowed}")]
pub struct UnknownWord {
    pub word: String,
    pub allowed: String,
}

/// Where a customer writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    Email,
    Whatsapp,
    WebForm,
}

/// What a ticket is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Category {
    General,
    Technical,
    Billing,
    Account,
    BugReport,
    FeatureRequest,
    Feedback,
    Legal,
    Security,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    Low,
    Medium,
    High,
    Urgent,
}

/// The customer's subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Plan {
    Free,
    Pro,
    Enterprise,
}

/// How well a writer's identity is proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentityLevel {
    /// An address that someone typed.
    SelfAsserted,
    /// Proven by the channel: aligned DMARC, or a sender signed by the provider.
    Authenticated,
}

/// Who wrote an outbound text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Author {
    Agent,
    /// A fixed text of the product.
    System,
    Person,
}

fn lookup<T: Copy>(table: &[(T, &str)], word: &str) -> Result<T, UnknownWord> {
    table.iter().find(|(_, name)| *name == word).map(|(value, _)| *value).ok_or_else(|| {
        let names: Vec<_> = table.iter().map(|(_, name)| *name).collect();
        UnknownWord { word: word.chars().take(40).collect(), allowed: names.join(", ") }
    })
}

impl Channel {
    const WORDS: &[(Channel, &str)] = &[
        (Channel::Email, "email"),
        (Channel::Whatsapp, "whatsapp"),
        (Channel::WebForm, "web_form"),
    ];

    /// All values, in the order of the schema.
    pub const ALL: &[Channel] = &[Channel::Email, Channel::Whatsapp, Channel::WebForm];

    pub fn as_str(self) -> &'static str {
        match self {
            Channel::Email => "email",
            Channel::Whatsapp => "whatsapp",
            Channel::WebForm => "web_form",
        }
    }

    pub(crate) fn to_wire(self) -> i32 {
        let value = match self {
            Channel::Email => wire::Channel::Email,
            Channel::Whatsapp => wire::Channel::Whatsapp,
            Channel::WebForm => wire::Channel::WebForm,
        };
        value.into()
    }

    pub(crate) fn from_wire(value: i32, field: &'static str) -> Result<Self, DecodeError> {
        Self::maybe_from_wire(value).ok_or(DecodeError::Field(field))
    }

    /// `None` for "unspecified" and for a value of a later schema.
    pub(crate) fn maybe_from_wire(value: i32) -> Option<Self> {
        match wire::Channel::try_from(value).ok()? {
            wire::Channel::Unspecified => None,
            wire::Channel::Email => Some(Channel::Email),
            wire::Channel::Whatsapp => Some(Channel::Whatsapp),
            wire::Channel::WebForm => Some(Channel::WebForm),
        }
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Channel {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        lookup(Self::WORDS, word)
    }
}

impl TryFrom<String> for Channel {
    type Error = UnknownWord;

    fn try_from(word: String) -> Result<Self, UnknownWord> {
        word.parse()
    }
}

impl Category {
    const WORDS: &[(Category, &str)] = &[
        (Category::General, "general"),
        (Category::Technical, "technical"),
        (Category::Billing, "billing"),
        (Category::Account, "account"),
        (Category::BugReport, "bug-report"),
        (Category::FeatureRequest, "feature-request"),
        (Category::Feedback, "feedback"),
        (Category::Legal, "legal"),
        (Category::Security, "security"),
    ];

    /// All values, in the order of the schema.
    pub const ALL: &[Category] = &[
        Category::General,
        Category::Technical,
        Category::Billing,
        Category::Account,
        Category::BugReport,
        Category::FeatureRequest,
        Category::Feedback,
        Category::Legal,
        Category::Security,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Category::General => "general",
            Category::Technical => "technical",
            Category::Billing => "billing",
            Category::Account => "account",
            Category::BugReport => "bug-report",
            Category::FeatureRequest => "feature-request",
            Category::Feedback => "feedback",
            Category::Legal => "legal",
            Category::Security => "security",
        }
    }

    pub(crate) fn to_wire(self) -> i32 {
        let value = match self {
            Category::General => wire::Category::General,
            Category::Technical => wire::Category::Technical,
            Category::Billing => wire::Category::Billing,
            Category::Account => wire::Category::Account,
            Category::BugReport => wire::Category::BugReport,
            Category::FeatureRequest => wire::Category::FeatureRequest,
            Category::Feedback => wire::Category::Feedback,
            Category::Legal => wire::Category::Legal,
            Category::Security => wire::Category::Security,
        };
        value.into()
    }

    pub(crate) fn from_wire(value: i32, field: &'static str) -> Result<Self, DecodeError> {
        Self::maybe_from_wire(value).ok_or(DecodeError::Field(field))
    }

    /// `None` for "unspecified" and for a value of a later schema.
    pub(crate) fn maybe_from_wire(value: i32) -> Option<Self> {
        match wire::Category::try_from(value).ok()? {
            wire::Category::Unspecified => None,
            wire::Category::General => Some(Category::General),
            wire::Category::Technical => Some(Category::Technical),
            wire::Category::Billing => Some(Category::Billing),
            wire::Category::Account => Some(Category::Account),
            wire::Category::BugReport => Some(Category::BugReport),
            wire::Category::FeatureRequest => Some(Category::FeatureRequest),
            wire::Category::Feedback => Some(Category::Feedback),
            wire::Category::Legal => Some(Category::Legal),
            wire::Category::Security => Some(Category::Security),
        }
    }
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Category {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        lookup(Self::WORDS, word)
    }
}

impl TryFrom<String> for Category {
    type Error = UnknownWord;

    fn try_from(word: String) -> Result<Self, UnknownWord> {
        word.parse()
    }
}

impl Priority {
    const WORDS: &[(Priority, &str)] = &[
        (Priority::Low, "low"),
        (Priority::Medium, "medium"),
        (Priority::High, "high"),
        (Priority::Urgent, "urgent"),
    ];

    /// All values, in the order of the schema.
    pub const ALL: &[Priority] =
        &[Priority::Low, Priority::Medium, Priority::High, Priority::Urgent];

    pub fn as_str(self) -> &'static str {
        match self {
            Priority::Low => "low",
            Priority::Medium => "medium",
            Priority::High => "high",
            Priority::Urgent => "urgent",
        }
    }

    pub(crate) fn to_wire(self) -> i32 {
        let value = match self {
            Priority::Low => wire::Priority::Low,
            Priority::Medium => wire::Priority::Medium,
            Priority::High => wire::Priority::High,
            Priority::Urgent => wire::Priority::Urgent,
        };
        value.into()
    }

    pub(crate) fn from_wire(value: i32, field: &'static str) -> Result<Self, DecodeError> {
        Self::maybe_from_wire(value).ok_or(DecodeError::Field(field))
    }

    /// `None` for "unspecified" and for a value of a later schema.
    pub(crate) fn maybe_from_wire(value: i32) -> Option<Self> {
        match wire::Priority::try_from(value).ok()? {
            wire::Priority::Unspecified => None,
            wire::Priority::Low => Some(Priority::Low),
            wire::Priority::Medium => Some(Priority::Medium),
            wire::Priority::High => Some(Priority::High),
            wire::Priority::Urgent => Some(Priority::Urgent),
        }
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Priority {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        lookup(Self::WORDS, word)
    }
}

impl TryFrom<String> for Priority {
    type Error = UnknownWord;

    fn try_from(word: String) -> Result<Self, UnknownWord> {
        word.parse()
    }
}

impl Plan {
    const WORDS: &[(Plan, &str)] =
        &[(Plan::Free, "free"), (Plan::Pro, "pro"), (Plan::Enterprise, "enterprise")];

    /// All values, in the order of the schema.
    pub const ALL: &[Plan] = &[Plan::Free, Plan::Pro, Plan::Enterprise];

    pub fn as_str(self) -> &'static str {
        match self {
            Plan::Free => "free",
            Plan::Pro => "pro",
            Plan::Enterprise => "enterprise",
        }
    }

    /// How soon a first answer is promised. Without a known plan, free's counts.
    pub fn first_answer(self) -> TimeDelta {
        TimeDelta::hours(match self {
            Plan::Free => 24,
            Plan::Pro => 4,
            Plan::Enterprise => 1,
        })
    }

    pub(crate) fn to_wire(self) -> i32 {
        let value = match self {
            Plan::Free => wire::Plan::Free,
            Plan::Pro => wire::Plan::Pro,
            Plan::Enterprise => wire::Plan::Enterprise,
        };
        value.into()
    }

    /// `None` for "unspecified" and for a value of a later schema.
    pub(crate) fn maybe_from_wire(value: i32) -> Option<Self> {
        match wire::Plan::try_from(value).ok()? {
            wire::Plan::Unspecified => None,
            wire::Plan::Free => Some(Plan::Free),
            wire::Plan::Pro => Some(Plan::Pro),
            wire::Plan::Enterprise => Some(Plan::Enterprise),
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Plan {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        lookup(Self::WORDS, word)
    }
}

impl TryFrom<String> for Plan {
    type Error = UnknownWord;

    fn try_from(word: String) -> Result<Self, UnknownWord> {
        word.parse()
    }
}

impl IdentityLevel {
    const WORDS: &[(IdentityLevel, &str)] = &[
        (IdentityLevel::SelfAsserted, "self_asserted"),
        (IdentityLevel::Authenticated, "authenticated"),
    ];

    /// All values, in the order of the schema.
    pub const ALL: &[IdentityLevel] = &[IdentityLevel::SelfAsserted, IdentityLevel::Authenticated];

    pub fn as_str(self) -> &'static str {
        match self {
            IdentityLevel::SelfAsserted => "self_asserted",
            IdentityLevel::Authenticated => "authenticated",
        }
    }

    pub(crate) fn to_wire(self) -> i32 {
        let value = match self {
            IdentityLevel::SelfAsserted => wire::IdentityLevel::SelfAsserted,
            IdentityLevel::Authenticated => wire::IdentityLevel::Authenticated,
        };
        value.into()
    }

    pub(crate) fn from_wire(value: i32, field: &'static str) -> Result<Self, DecodeError> {
        Self::maybe_from_wire(value).ok_or(DecodeError::Field(field))
    }

    /// `None` for "unspecified" and for a value of a later schema.
    pub(crate) fn maybe_from_wire(value: i32) -> Option<Self> {
        match wire::IdentityLevel::try_from(value).ok()? {
            wire::IdentityLevel::Unspecified => None,
            wire::IdentityLevel::SelfAsserted => Some(IdentityLevel::SelfAsserted),
            wire::IdentityLevel::Authenticated => Some(IdentityLevel::Authenticated),
        }
    }
}

impl fmt::Display for IdentityLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for IdentityLevel {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        lookup(Self::WORDS, word)
    }
}

impl TryFrom<String> for IdentityLevel {
    type Error = UnknownWord;

    fn try_from(word: String) -> Result<Self, UnknownWord> {
        word.parse()
    }
}

impl Author {
    const WORDS: &[(Author, &str)] =
        &[(Author::Agent, "agent"), (Author::System, "system"), (Author::Person, "person")];

    /// All values, in the order of the schema.
    pub const ALL: &[Author] = &[Author::Agent, Author::System, Author::Person];

    pub fn as_str(self) -> &'static str {
        match self {
            Author::Agent => "agent",
            Author::System => "system",
            Author::Person => "person",
        }
    }

    pub(crate) fn to_wire(self) -> i32 {
        let value = match self {
            Author::Agent => wire::Author::Agent,
            Author::System => wire::Author::System,
            Author::Person => wire::Author::Person,
        };
        value.into()
    }

    pub(crate) fn from_wire(value: i32, field: &'static str) -> Result<Self, DecodeError> {
        Self::maybe_from_wire(value).ok_or(DecodeError::Field(field))
    }

    /// `None` for "unspecified" and for a value of a later schema.
    pub(crate) fn maybe_from_wire(value: i32) -> Option<Self> {
        match wire::Author::try_from(value).ok()? {
            wire::Author::Unspecified => None,
            wire::Author::Agent => Some(Author::Agent),
            wire::Author::System => Some(Author::System),
            wire::Author::Person => Some(Author::Person),
        }
    }
}

impl fmt::Display for Author {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Author {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        lookup(Self::WORDS, word)
    }
}

impl TryFrom<String> for Author {
    type Error = UnknownWord;

    fn try_from(word: String) -> Result<Self, UnknownWord> {
        word.parse()
    }
}
