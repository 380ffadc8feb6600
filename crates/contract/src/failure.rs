//! How an error tells the consumer what to do next.

/// What can be done about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureClass {
    /// Something everybody needs is away: start nothing new and probe.
    Unavailable,
    /// This event failed, and may succeed later.
    Retry,
    /// This event can never succeed.
    Reject,
}

/// An error that knows its class. Decided where the foreign error enters, once.
pub trait Classified: std::error::Error + Send + Sync + 'static {
    fn class(&self) -> FailureClass;
}
