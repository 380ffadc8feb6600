//! Why a call is not accepted.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use channels::twilio::signature::Refused;
use chassis::problem::Problem;

/// Seconds after which a call that was not confirmed may come again.
const RETRY_AFTER_S: u64 = 5;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    MediaType,
    TooLarge,
    TooSlow,
    /// The connection broke while the body came.
    Unreadable,
    Unsigned,
    Algorithm,
    Forged,
    /// More calls at once than are worked on.
    Busy,
    /// The log did not confirm.
    Unconfirmed,
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Unsigned => Self::Unsigned,
            Refused::Algorithm => Self::Algorithm,
            Refused::Forged => Self::Forged,
        }
    }
}

impl Refusal {
    /// The word for it in metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::MediaType => "media_type",
            Self::TooLarge => "too_large",
            Self::TooSlow => "too_slow",
            Self::Unreadable => "unreadable",
            Self::Unsigned => "unsigned",
            Self::Algorithm => "algorithm",
            Self::Forged => "forged",
            Self::Busy => "busy",
            Self::Unconfirmed => "unconfirmed",
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let problem = match self {
            Self::MediaType => Problem::unsupported_media_type(
                "the body must be application/x-www-form-urlencoded",
            ),
            Self::TooLarge => Problem::payload_too_large(),
            Self::TooSlow => Problem::request_timeout(),
            Self::Unreadable => Problem::bad_request("the body could not be read"),
            // Which of them it was is nobody's business.
            Self::Unsigned | Self::Algorithm | Self::Forged => {
                Problem::new(StatusCode::FORBIDDEN, "the request is not signed by Twilio")
            }
            Self::Busy | Self::Unconfirmed => Problem::unavailable(RETRY_AFTER_S),
        };
        problem.into_response()
    }
}
