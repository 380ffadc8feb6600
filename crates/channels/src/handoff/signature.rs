//! Signatures of Standard Webhooks: HMAC-SHA256 over id, time and body.

use base64::Engine as _;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretSlice};
use sha2::Sha256;

const PREFIX: &str = "whsec_";

/// Bytes that a key may have.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// Keys are copied by hand: whether the padding came along does not matter.
const TOLERANT: GeneralPurpose = GeneralPurpose::new(
    &ALPHABET,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A list of secrets that cannot be used. It never holds one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    #[error("has no secret")]
    Empty,
    #[error("must be whsec_ and base64 of 24 to 64 bytes; a comma separates two during a rotation")]
    Secret,
}

/// The keys that sign: during a rotation the new and the old one.
#[derive(Debug)]
pub struct Secrets(Vec<SecretSlice<u8>>);

impl Secrets {
    /// Reads a comma-separated list.
    pub fn parse(list: &str) -> Result<Self, SecretError> {
        let texts = list.split(',').map(str::trim).filter(|text| !text.is_empty());
        let keys = texts.map(key).collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() { Err(SecretError::Empty) } else { Ok(Self(keys)) }
    }

    /// The value of `webhook-signature`: one signature per key. The time is in Unix
    /// seconds; the id has no dot.
    pub fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let signed = self.0.iter().filter_map(|key| {
            let mut mac = Hmac::<Sha256>::new_from_slice(key.expose_secret()).ok()?;
            mac.update(format!("{id}.{timestamp}.").as_bytes());
            mac.update(body);
            Some(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
        });
        signed.collect::<Vec<_>>().join(" ")
    }
}

fn key(text: &str) -> Result<SecretSlice<u8>, SecretError> {
    let encoded = text.strip_prefix(PREFIX).ok_or(SecretError::Secret)?;
    let bytes = TOLERANT.decode(encoded).map_err(|_| SecretError::Secret)?;
    if KEY_BYTES.contains(&bytes.len()) { Ok(bytes.into()) } else { Err(SecretError::Secret) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    const THEIRS: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    #[test]
    fn the_published_vectors_of_the_hand_off_are_met() {
        let escalation = r#"{"type":"escalation.created","timestamp":"2026-01-05T09:30:00Z","data":{"ticket_ref":"TF-20260105-0001","category":"billing","assignee":"Lisa Tanaka","channel":"whatsapp"}}"#;
        let odd = r#"{"type":"escalation.created","data":{"name":"José Ñandú 📦"}}"#;
        for (secret, id, timestamp, body, signature) in [
            (
                THEIRS,
                "msg_p5jXN8AQM9LWM0D4loKWxJek",
                1_614_265_330,
                r#"{"test": 2432232314}"#,
                "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
            ),
            (
                OURS,
                "msg_01JGV0ESCALATION0000000001",
                1_767_605_400,
                escalation,
                "v1,anPG2ayaJHRBD92NIXSsQKmyPwuo2z/lFDQzaq8B8PY=",
            ),
            (
                OURS,
                "msg_01JGV0ESCALATION0000000002",
                1_767_605_400,
                odd,
                "v1,o4C/Nx9TjyniEsNn3awBEwGopqqATqyL+8TT7OUaTpM=",
            ),
        ] {
            let secrets = Secrets::parse(secret).unwrap();

            assert_eq!(secrets.sign(id, timestamp, body.as_bytes()), signature, "{id}");
        }
    }

    #[test]
    fn a_secret_is_the_same_with_and_without_its_padding() {
        let bare = Secrets::parse(OURS.trim_end_matches('=')).unwrap();

        assert_eq!(bare.sign("a", 1, b"x"), Secrets::parse(OURS).unwrap().sign("a", 1, b"x"));
    }

    #[test]
    fn during_a_rotation_both_secrets_sign_the_new_one_first() {
        let one = |secret| Secrets::parse(secret).unwrap().sign("a", 1, b"x");
        let both = Secrets::parse(&format!("{OURS}, {THEIRS}")).unwrap();

        assert_eq!(both.sign("a", 1, b"x"), format!("{} {}", one(OURS), one(THEIRS)));
    }

    #[test]
    fn what_is_no_secret_is_refused_and_not_shown() {
        for list in ["", " , "] {
            assert_eq!(Secrets::parse(list).unwrap_err(), SecretError::Empty);
        }
        let long = format!("whsec_{}", "A".repeat(88));
        for list in
            ["MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_", "whsec_hunter2!", "whsec_AAEC", &long]
        {
            let error = Secrets::parse(&format!("{OURS},{list}")).unwrap_err();
            assert_eq!(error, SecretError::Secret, "{list}");
        }
        assert!(!format!("{:?}", Secrets::parse(OURS).unwrap()).contains("31"));
    }
}
