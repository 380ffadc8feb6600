//! What can go wrong with a call, and with a push.

use serde::Deserialize;

/// One thing that goes wrong with a call.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", tag = "fault")]
pub enum Fault {
    /// Nothing: for the calls between two faults.
    Pass,
    /// 429, not processed: the wait in the header, or in words after the time now.
    TooMany { retry_after: Option<u64>, retry_after_in_words: Option<u64> },
    /// Not processed, with this status and Google's word for the reason.
    Refuse { status: u16, reason: String },
    /// 500 with a JSON body; not processed, which the client cannot know.
    ServerErrorJson,
    /// 502 with a page of HTML, as the edge answers.
    ServerErrorHtml,
    /// 500 although it is done.
    ServerErrorAfterProcessing,
    /// No answer; nothing is done.
    Hang,
    /// No answer; it is done.
    HangAfterProcessing,
    /// The connection is dropped before anything is done.
    Drop,
    /// It is done, then the connection is dropped.
    ProcessThenDrop,
    /// A success whose body breaks off; it is done.
    BrokenReply,
    /// The answer comes late.
    Delay { milliseconds: u64 },
}

impl Fault {
    /// Whether it is done in spite of it.
    pub(super) fn processes(&self) -> bool {
        match self {
            Self::Pass
            | Self::ServerErrorAfterProcessing
            | Self::HangAfterProcessing
            | Self::ProcessThenDrop
            | Self::BrokenReply
            | Self::Delay { .. } => true,
            Self::TooMany { .. }
            | Self::Refuse { .. }
            | Self::ServerErrorJson
            | Self::ServerErrorHtml
            | Self::Hang
            | Self::Drop => false,
        }
    }
}

/// One thing that happens to a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", tag = "fault")]
pub enum PushFault {
    /// Nothing.
    Pass,
    /// It is never pushed.
    Lost,
    /// It is pushed twice at once, with the same id.
    Twice,
    /// It is pushed after the next one.
    Overtaken,
    /// The id of the history is a JSON number, not a string.
    NumericHistoryId,
    /// The data has the URL alphabet and no padding.
    UrlSafeData,
    /// The data is not base64.
    BrokenData,
    /// The first attempt comes with a token that must be refused.
    Token { token: BadToken },
}

/// A token that nobody should take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BadToken {
    Missing,
    Garbled,
    /// Signed by another key than the one it names.
    WrongSignature,
    UnknownKey,
    /// `alg` is `none`, and there is no signature.
    Unsigned,
    /// HS256 with the public key as the secret.
    SymmetricAlgorithm,
    WrongIssuer,
    WrongAudience,
    AnotherAccount,
    UnverifiedEmail,
    Expired,
    FromTheFuture,
}
