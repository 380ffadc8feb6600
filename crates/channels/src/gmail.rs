//! Gmail's API as the mailbox is read and answered with it.

pub mod base64url;
mod call;
mod client;
mod drafts;
mod error;
mod mailbox;
mod messages;
mod number;
mod quota;
mod token;

pub use call::Call;
pub use client::{GmailClient, REQUEST_LIMIT, Settings, SetupError};
pub use drafts::{Draft, SentMessage};
pub use error::Error;
pub use mailbox::{Profile, Watch};
pub use messages::{HistoryPage, Listed, MessagePage, Metadata, RawMessage};
pub use quota::{QUOTA_FOR_READING, QUOTA_FOR_SENDING};
