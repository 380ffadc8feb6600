//! Why a request is not accepted, once for JSON clients and browsers alike.

use axum::http::StatusCode;
use chassis::problem::{FieldError, Problem};

use crate::fields::BodyError;
use crate::limits::TooMany;

/// Seconds after which a request that was not confirmed may come again.
const RETRY_AFTER_S: u64 = 5;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The connection broke while the body came.
    Unreadable,
    Body(BodyError),
    Fields(Vec<FieldError>),
    TooLarge,
    TooSlow,
    MediaType,
    /// An unknown ref, or a token that is not its own: nobody learns which.
    NotFound,
    KeyReused,
    Closed,
    TooMany(u64),
    /// Log or database did not confirm.
    Unconfirmed,
    /// The database does not give the ticket now.
    CannotShow,
    /// More requests at once than are worked on.
    Busy,
}

impl From<TooMany> for Refusal {
    fn from(TooMany(seconds): TooMany) -> Self {
        Self::TooMany(seconds)
    }
}

impl From<BodyError> for Refusal {
    fn from(error: BodyError) -> Self {
        Self::Body(error)
    }
}

impl Refusal {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Unreadable | Self::Body(BodyError::NotJson { .. } | BodyError::NotUtf8) => {
                StatusCode::BAD_REQUEST
            }
            Self::Body(BodyError::NotAnObject | BodyError::TooManyFields) | Self::Fields(_) => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::KeyReused | Self::Closed => StatusCode::CONFLICT,
            Self::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Unconfirmed | Self::CannotShow | Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    pub(crate) fn problem(self) -> Problem {
        match self {
            Self::Unreadable => Problem::bad_request("the body could not be read"),
            Self::Body(error @ (BodyError::NotAnObject | BodyError::TooManyFields)) => {
                Problem::unprocessable(vec![FieldError::new("body", error.to_string())])
            }
            Self::Body(error) => Problem::bad_request(error.to_string()),
            Self::Fields(errors) => Problem::unprocessable(errors),
            Self::TooLarge => Problem::payload_too_large(),
            Self::TooSlow => Problem::request_timeout(),
            Self::MediaType => Problem::unsupported_media_type(
                "the body must be application/json or application/x-www-form-urlencoded, in UTF-8",
            ),
            Self::NotFound => Problem::not_found(),
            Self::KeyReused => {
                Problem::conflict("this idempotency key was used with other content")
            }
            Self::Closed => Problem::conflict("this ticket is closed, open a new one"),
            Self::TooMany(seconds) => Problem::too_many(seconds),
            Self::Unconfirmed | Self::CannotShow | Self::Busy => {
                Problem::unavailable(RETRY_AFTER_S)
            }
        }
    }

    /// One sentence for the person in front of the page.
    pub(crate) fn words(&self) -> &'static str {
        match self {
            Self::Fields(_) => "Please check the marked fields.",
            Self::Unreadable | Self::Body(_) | Self::MediaType => {
                "We could not read what your browser sent. Please send it again."
            }
            Self::TooLarge => "Your message is too large. Please shorten it.",
            Self::TooSlow => "Your message did not arrive in time. Please send it again.",
            Self::NotFound => "There is no such ticket, or the link is not complete.",
            Self::KeyReused => {
                "You have sent this form before with other words. Send it once more to open a new ticket."
            }
            Self::Closed => "This ticket is closed. Please open a new one.",
            Self::TooMany(_) => {
                "We have received many messages from you in a short time. Please try again later."
            }
            Self::CannotShow => "We cannot show your ticket now. Please try again in a moment.",
            Self::Unconfirmed | Self::Busy => {
                "We could not confirm your message. Please send it again; it will not arrive twice."
            }
        }
    }

    pub(crate) fn retry_after_s(&self) -> Option<u64> {
        match self {
            Self::TooMany(seconds) => Some(*seconds),
            Self::Unconfirmed | Self::CannotShow | Self::Busy => Some(RETRY_AFTER_S),
            _ => None,
        }
    }

    pub(crate) fn fields(&self) -> &[FieldError] {
        match self {
            Self::Fields(errors) => errors,
            _ => &[],
        }
    }
}
