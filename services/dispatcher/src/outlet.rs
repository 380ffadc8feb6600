//! Where deliveries go, and what sending means there.

use std::sync::Arc;
use std::time::Duration;

use contract::Channel;
use store::deliveries::Begun;
use tokio::sync::Notify;

/// A way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outlet {
    /// The ticket's status page.
    WebForm,
    /// The list of what waits for a person.
    HandOff,
}

/// Why a delivery was not handed over.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The connection was never made, or the provider asks to wait.
    #[error("not now: {reason}")]
    Again { after: Duration, reason: String },
    /// The provider will never take it.
    #[error("refused: {0}")]
    Refused(String),
}

impl Outlet {
    /// Every outlet that has a worker.
    pub const ALL: [Outlet; 2] = [Outlet::WebForm, Outlet::HandOff];

    pub fn as_str(self) -> &'static str {
        match self {
            Outlet::WebForm => "web_form",
            Outlet::HandOff => "hand_off",
        }
    }

    /// The name of the outlet by which replies of this channel leave. One without
    /// a worker keeps its deliveries until a version that has one.
    pub(crate) fn name_for(channel: Channel) -> &'static str {
        channel.as_str()
    }

    /// Hands one delivery over. Returns the provider's id where there is one.
    ///
    /// The page and the list read the row itself, so here its acceptance is the
    /// sending, and doing it twice does no harm.
    pub async fn send(self, delivery: &Begun) -> Result<Option<String>, SendError> {
        match self {
            Outlet::WebForm if delivery.body.trim().is_empty() => {
                Err(SendError::Refused("the text is empty".to_owned()))
            }
            Outlet::HandOff if delivery.hand_off.is_none() => {
                Err(SendError::Refused("the hand-off has no content".to_owned()))
            }
            Outlet::WebForm | Outlet::HandOff => Ok(None),
        }
    }
}

/// Wakes the workers of this process; those of other replicas find out by polling.
#[derive(Debug, Clone, Default)]
pub struct Wakers {
    web_form: Arc<Notify>,
    hand_off: Arc<Notify>,
}

impl Wakers {
    pub(crate) fn wake(&self, outlet: Outlet) {
        self.of(outlet).notify_one();
    }

    pub(crate) async fn woken(&self, outlet: Outlet) {
        self.of(outlet).notified().await;
    }

    fn of(&self, outlet: Outlet) -> &Notify {
        match outlet {
            Outlet::WebForm => &self.web_form,
            Outlet::HandOff => &self.hand_off,
        }
    }
}
