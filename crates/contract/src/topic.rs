//! The seven topics. Nothing else names one.

use std::fmt;
use std::str::FromStr;

use crate::words::UnknownWord;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    EmailInbound,
    WhatsappInbound,
    WebformInbound,
    TicketsIncoming,
    TicketsOutgoing,
    Metrics,
    DeadLetters,
}

impl Topic {
    pub const ALL: [Topic; 7] = [
        Topic::EmailInbound,
        Topic::WhatsappInbound,
        Topic::WebformInbound,
        Topic::TicketsIncoming,
        Topic::TicketsOutgoing,
        Topic::Metrics,
        Topic::DeadLetters,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Topic::EmailInbound => "fte.channels.email.inbound",
            Topic::WhatsappInbound => "fte.channels.whatsapp.inbound",
            Topic::WebformInbound => "fte.channels.webform.inbound",
            Topic::TicketsIncoming => "fte.tickets.incoming",
            Topic::TicketsOutgoing => "fte.tickets.outgoing",
            Topic::Metrics => "fte.metrics",
            Topic::DeadLetters => "fte.dlq",
        }
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Topic {
    type Err = UnknownWord;

    fn from_str(name: &str) -> Result<Self, UnknownWord> {
        Topic::ALL.into_iter().find(|topic| topic.name() == name).ok_or_else(|| UnknownWord {
            word: name.to_owned(),
            allowed: Topic::ALL.map(Topic::name).join(", "),
        })
    }
}
