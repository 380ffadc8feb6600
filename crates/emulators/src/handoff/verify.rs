//! Whether a request is genuine and recent.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::Request;

/// Seconds that the sender's clock may be off.
const TOLERANCE: i64 = 5 * 60;

/// Why a request is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// A header is missing, or the time is no whole number.
    Header,
    /// Too old, or from the future.
    Time,
    /// No listed signature is right.
    Signature,
    /// Our own secret cannot be read.
    Secret,
}

pub(super) fn verify(secret: &str, request: &Request) -> Result<(), Refusal> {
    verify_at(secret, request, now())
}

fn verify_at(secret: &str, request: &Request, now: DateTime<Utc>) -> Result<(), Refusal> {
    let header = |name: &str| request.header(name).ok_or(Refusal::Header);
    let (id, time) = (header("webhook-id")?, header("webhook-timestamp")?);
    let listed = header("webhook-signature")?;
    let sent: i64 = time.parse().map_err(|_| Refusal::Header)?;
    if (now.timestamp() - sent).abs() > TOLERANCE {
        return Err(Refusal::Time);
    }
    let encoded = secret.strip_prefix("whsec_").ok_or(Refusal::Secret)?;
    let key = STANDARD.decode(encoded).map_err(|_| Refusal::Secret)?;
    let signed = [id.as_bytes(), b".", time.as_bytes(), b".", &request.body].concat();
    let is_right = |text: &str| {
        let Some(encoded) = text.strip_prefix("v1,") else { return false };
        let Ok(tag) = STANDARD.decode(encoded) else { return false };
        let Ok(mac) = Hmac::<Sha256>::new_from_slice(&key) else { return false };
        mac.chain_update(&signed).verify_slice(&tag).is_ok()
    };
    if listed.split(' ').any(is_right) { Ok(()) } else { Err(Refusal::Signature) }
}

#[expect(clippy::disallowed_methods, reason = "the emulator's own clock, outside the product")]
fn now() -> DateTime<Utc> {
    Utc::now()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const TIME: i64 = 1_614_265_330;
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn request(headers: &[(&str, &str)], body: &str) -> Request {
        Request {
            method: "POST".to_owned(),
            path: "/".to_owned(),
            headers: headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
            body: Bytes::copy_from_slice(body.as_bytes()),
        }
    }

    fn signed(time: &str, signature: &str, body: &str) -> Request {
        let id = ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek");
        request(&[id, ("webhook-timestamp", time), ("webhook-signature", signature)], body)
    }

    fn judged(request: &Request, seconds_later: i64) -> Result<(), Refusal> {
        let now = DateTime::from_timestamp(TIME + seconds_later, 0).unwrap();
        verify_at(SECRET, request, now)
    }

    #[test]
    fn the_published_vector_is_believed_for_five_minutes_either_way() {
        let genuine = signed("1614265330", SIGNATURE, r#"{"test": 2432232314}"#);

        for seconds in [-300, 0, 300] {
            assert_eq!(judged(&genuine, seconds), Ok(()), "{seconds}");
        }
        for seconds in [-301, 301] {
            assert_eq!(judged(&genuine, seconds), Err(Refusal::Time), "{seconds}");
        }
    }

    #[test]
    fn a_body_that_was_written_anew_on_the_way_is_not_believed() {
        let changed = signed("1614265330", SIGNATURE, r#"{"test":2432232314}"#);

        assert_eq!(judged(&changed, 0), Err(Refusal::Signature));
    }

    #[test]
    fn one_right_signature_of_several_is_enough_and_another_version_is_none() {
        let body = r#"{"test": 2432232314}"#;
        let several = format!("v1a,x v1,AAAA {SIGNATURE}");

        assert_eq!(judged(&signed("1614265330", &several, body), 0), Ok(()));
        let other = SIGNATURE.replace("v1,", "v2,");
        assert_eq!(judged(&signed("1614265330", &other, body), 0), Err(Refusal::Signature));
    }

    #[test]
    fn a_missing_header_and_a_time_that_is_no_number_are_refused() {
        let bare = request(&[("webhook-id", "x")], "{}");
        let no_time = signed("1614265330.5", SIGNATURE, "{}");

        assert_eq!(judged(&bare, 0), Err(Refusal::Header));
        assert_eq!(judged(&no_time, 0), Err(Refusal::Header));
    }
}
