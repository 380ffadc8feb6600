//! Status tokens: who holds one may read and continue the ticket.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use contract::TicketRef;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::run::SettingsError;

/// Makes and checks tokens: HMAC-SHA256 of the ref, base64url without padding.
#[derive(Clone)]
pub struct StatusTokens {
    /// Keyed once; a clone per use saves hashing the key again.
    current: Hmac<Sha256>,
    /// The secret before the last change: pages opened then stay open.
    previous: Option<Hmac<Sha256>>,
}

impl StatusTokens {
    pub fn new(secret: &[u8], previous: Option<&[u8]>) -> Result<Self, SettingsError> {
        let keyed = |secret: &[u8]| {
            Hmac::new_from_slice(secret).map_err(|_| SettingsError("FTE_SECRET is no key".into()))
        };
        Ok(Self { current: keyed(secret)?, previous: previous.map(keyed).transpose()? })
    }

    /// The token of this ticket.
    pub fn token(&self, ticket_ref: &TicketRef) -> String {
        let mac = self.current.clone().chain_update(ticket_ref.as_str());
        URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
    }

    /// Whether the token is the ref's. The time does not depend on how much of
    /// it is right, nor on whether the ref is one.
    pub fn is_valid(&self, ticket_ref: &str, token: &str) -> bool {
        let claimed = URL_SAFE_NO_PAD.decode(token).unwrap_or_default();
        let matches = |mac: &Hmac<Sha256>| {
            mac.clone().chain_update(ticket_ref).verify_slice(&claimed).is_ok()
        };
        let by_previous = self.previous.as_ref().is_some_and(matches);
        matches(&self.current) | by_previous
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticket_ref() -> TicketRef {
        "TF-20260105-7K3Q".parse().unwrap()
    }

    #[test]
    fn a_token_is_the_mac_of_the_ref() {
        let tokens = StatusTokens::new(b"secret", None).unwrap();

        let token = tokens.token(&ticket_ref());

        // printf TF-20260105-7K3Q | openssl dgst -sha256 -hmac secret -binary | basenc --base64url
        assert_eq!(token, "tdzZas4gax12ilbpl7Z7-WWSGBEDOqyYnT07ZODMm7w");
        assert!(tokens.is_valid("TF-20260105-7K3Q", &token));
    }

    #[test]
    fn a_token_is_refused_for_another_ref_another_secret_and_when_changed() {
        let tokens = StatusTokens::new(b"secret", None).unwrap();
        let token = tokens.token(&ticket_ref());
        let others = StatusTokens::new(b"other", None).unwrap();

        assert!(!tokens.is_valid("TF-20260105-7K3R", &token));
        assert!(!others.is_valid("TF-20260105-7K3Q", &token));
        for wrong in ["", "A", &token[1..], &format!("{token}A"), &token.to_lowercase(), "ü"] {
            assert!(!tokens.is_valid("TF-20260105-7K3Q", wrong), "{wrong}");
        }
    }

    #[test]
    fn tokens_of_the_previous_secret_stay_valid_and_new_ones_use_the_current() {
        let before = StatusTokens::new(b"old", None).unwrap();
        let after = StatusTokens::new(b"new", Some(b"old")).unwrap();

        assert!(after.is_valid("TF-20260105-7K3Q", &before.token(&ticket_ref())));
        assert!(!before.is_valid("TF-20260105-7K3Q", &after.token(&ticket_ref())));
    }
}
