//! What can go wrong with a request to send.

use serde::Deserialize;

/// One thing that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", tag = "fault")]
pub enum Fault {
    /// Nothing: for the requests between two faults.
    Pass,
    /// Too many requests: 429, not processed.
    TooMany { retry_after: Option<u64> },
    /// 500 with a JSON body; not processed, which the client cannot know.
    ServerErrorJson,
    /// 503 with a page of HTML, as the edge answers.
    ServerErrorHtml,
    /// 500 although the message goes.
    ServerErrorAfterAccepting,
    /// No answer; the message does not go.
    Hang,
    /// No answer; the message goes.
    HangAfterAccepting,
    /// The connection is dropped before anything was done.
    Drop,
    /// The message goes, then the connection is dropped.
    AcceptThenDrop,
    /// 201 whose body breaks off; the message goes.
    BrokenReply,
    /// A page of HTML with status 400.
    BadRequestHtml,
    /// Refused with this code.
    Refuse { status: u16, code: u32 },
    /// Accepted; later `undelivered` with this code.
    Undeliverable { code: u32 },
    /// 201 whose status is `failed` already.
    FailedAtOnce { code: u32 },
    /// As [`Fault::FailedAtOnce`], and the connection is dropped before the answer.
    FailedThenDrop { code: u32 },
}

impl Fault {
    /// Whether the message goes to the customer in spite of it.
    pub(super) fn accepts(self) -> bool {
        match self {
            Fault::Pass
            | Fault::ServerErrorAfterAccepting
            | Fault::HangAfterAccepting
            | Fault::AcceptThenDrop
            | Fault::BrokenReply
            | Fault::Undeliverable { .. }
            | Fault::FailedAtOnce { .. }
            | Fault::FailedThenDrop { .. } => true,
            Fault::TooMany { .. }
            | Fault::ServerErrorJson
            | Fault::ServerErrorHtml
            | Fault::Hang
            | Fault::Drop
            | Fault::BadRequestHtml
            | Fault::Refuse { .. } => false,
        }
    }
}
