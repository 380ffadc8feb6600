//! Where deliveries go, and what sending means where it is done at once. The outlets of
//! providers, where it takes time and may end in doubt, have workers of their own.

use std::sync::Arc;

use contract::Channel;
use store::deliveries::Begun;
use tokio::sync::Notify;

use crate::{email, whatsapp};

/// A way out at which a delivery is sent by being accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outlet {
    /// The ticket's status page.
    WebForm,
    /// The list of what waits for a person.
    HandOff,
}

/// Why a delivery will never be handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    #[error("the text is empty")]
    NoText,
    #[error("the hand-off has no content")]
    NoHandOff,
}

impl Outlet {
    /// All of them.
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

    /// Hands one delivery over.
    ///
    /// The page and the list read the row itself, so here its acceptance is the
    /// sending, and doing it twice does no harm.
    pub async fn send(self, delivery: &Begun) -> Result<(), SendError> {
        match self {
            Outlet::WebForm if delivery.body.trim().is_empty() => Err(SendError::NoText),
            Outlet::HandOff if delivery.hand_off.is_none() => Err(SendError::NoHandOff),
            Outlet::WebForm | Outlet::HandOff => Ok(()),
        }
    }
}

/// Wakes the workers of this process; those of other replicas find out by polling.
#[derive(Debug, Clone, Default)]
pub struct Wakers {
    web_form: Arc<Notify>,
    hand_off: Arc<Notify>,
    whatsapp: Arc<Notify>,
    email: Arc<Notify>,
}

impl Wakers {
    /// Wakes the worker of this outlet; nobody where it has none.
    pub(crate) fn wake(&self, outlet: &str) {
        if let Some(notify) = self.of(outlet) {
            notify.notify_one();
        }
    }

    pub(crate) async fn woken(&self, outlet: &str) {
        match self.of(outlet) {
            Some(notify) => notify.notified().await,
            None => std::future::pending().await,
        }
    }

    fn of(&self, outlet: &str) -> Option<&Notify> {
        match outlet {
            "web_form" => Some(&self.web_form),
            "hand_off" => Some(&self.hand_off),
            whatsapp::OUTLET => Some(&self.whatsapp),
            email::OUTLET => Some(&self.email),
            _ => None,
        }
    }
}
