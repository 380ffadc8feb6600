//! Why a call is not taken for Twilio's.

use axum::http::StatusCode;
use channels::twilio::signature::Refused;
use chassis::webhook::{Refusal, Stranger};

/// The refusal of a call that is not signed as it should be.
pub(crate) fn unsigned(refused: Refused) -> Refusal {
    let reason = match refused {
        Refused::Unsigned => "unsigned",
        Refused::Algorithm => "algorithm",
        Refused::Forged => "forged",
    };
    let detail = "the request is not signed by Twilio";
    Refusal::Stranger(Stranger { status: StatusCode::FORBIDDEN, reason, detail })
}
