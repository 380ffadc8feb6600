//! The OpenID Connect token of an authenticated push: signed by Google, for us, in the
//! name of our service account. Anything less is nobody.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use jsonwebtoken::Algorithm;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::keys::{Keys, NoKey};
use crate::verified::Verified;

/// Google's are about 900 bytes.
const MOST_TOKEN_BYTES: usize = 4 << 10;

const ISSUERS: [&str; 2] = ["https://accounts.google.com", "accounts.google.com"];

/// How far Google's clock and ours may be apart.
const SKEW_S: i64 = 60;

/// Google's tokens live an hour; one for weeks would be a sign of something else.
const LONGEST_LIFE_S: i64 = 24 * 3600;

/// Who pushes, and to whom.
#[derive(Debug, Clone)]
pub struct Expected {
    /// As the subscription says it, to the letter.
    pub audience: String,
    /// The e-mail of the service account, to the letter.
    pub service_account: String,
}

/// Why a push is not taken for Google's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("the request has no bearer token")]
    Missing,
    #[error("the token is no token")]
    Malformed,
    #[error("the token is signed by an algorithm that does not count")]
    Algorithm,
    #[error("the token names a key that google does not have")]
    UnknownKey,
    #[error("the signature is not the token's")]
    Forged,
    #[error("the token is for another audience, account or issuer")]
    Claims,
    #[error("the token is expired or not valid yet")]
    Expired,
    /// Not the caller's fault: the same again may pass.
    #[error("google's keys cannot be had")]
    NoKeys,
}

/// Checks tokens.
pub struct Verifier {
    expected: Expected,
    keys: Keys,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: String,
}

/// What may be of a type other than expected makes the token one that does not count.
#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    email: String,
    email_verified: bool,
    exp: i64,
    iat: i64,
}

impl Verifier {
    pub fn new(expected: Expected, keys: Keys) -> Self {
        Self { expected, keys }
    }

    /// Vouches for the body when the request's `Authorization` does. A token says
    /// nothing of the body: it shows who calls, over TLS.
    pub async fn body<T>(
        &self,
        authorization: Option<&[u8]>,
        body: T,
        now: DateTime<Utc>,
    ) -> Result<Verified<T>, Refused> {
        let token = bearer(authorization.ok_or(Refused::Missing)?)?;
        let (message, signature) = token.rsplit_once('.').ok_or(Refused::Malformed)?;
        let (header, claims) = message.split_once('.').ok_or(Refused::Malformed)?;
        let Header { alg, kid } = decode(header).ok_or(Refused::Malformed)?;
        if alg != "RS256" {
            return Err(Refused::Algorithm);
        }
        let key = self.keys.key(&kid, now).await.map_err(|missing| match missing {
            NoKey::Unknown => Refused::UnknownKey,
            NoKey::Unavailable => Refused::NoKeys,
        })?;
        let is_signed = is_signed(signature, message, &key);
        if !is_signed {
            return Err(Refused::Forged);
        }
        let claims: Claims = decode(claims).ok_or(Refused::Claims)?;
        claims.check(&self.expected, now)?;
        Ok(Verified(body))
    }
}

impl Claims {
    fn check(&self, expected: &Expected, now: DateTime<Utc>) -> Result<(), Refused> {
        let fits = ISSUERS.contains(&self.iss.as_str())
            && self.aud == expected.audience
            && self.email == expected.service_account
            && self.email_verified;
        if !fits {
            return Err(Refused::Claims);
        }
        let now = now.timestamp();
        let is_valid = self.exp > now.saturating_sub(SKEW_S)
            && self.iat <= now.saturating_add(SKEW_S)
            && self.exp.saturating_sub(self.iat) <= LONGEST_LIFE_S;
        if is_valid { Ok(()) } else { Err(Refused::Expired) }
    }
}

fn is_signed(signature: &str, message: &str, key: &Arc<jsonwebtoken::DecodingKey>) -> bool {
    let verified =
        jsonwebtoken::crypto::verify(signature, message.as_bytes(), key, Algorithm::RS256);
    verified.unwrap_or(false)
}

/// The token behind `Bearer `, if it can be one.
fn bearer(authorization: &[u8]) -> Result<&str, Refused> {
    let text = std::str::from_utf8(authorization).map_err(|_| Refused::Malformed)?;
    let (scheme, token) = text.split_once(' ').ok_or(Refused::Missing)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Refused::Missing);
    }
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let is_token = token.len() <= MOST_TOKEN_BYTES
        && token.bytes().all(is_plain)
        && token.split('.').count() == 3;
    if is_token { Ok(token) } else { Err(Refused::Malformed) }
}

fn decode<T: DeserializeOwned>(segment: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(segment).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_767_614_400;

    fn claims() -> Claims {
        Claims {
            iss: "https://accounts.google.com".to_owned(),
            aud: "https://support.example.com/webhooks/gmail".to_owned(),
            email: "push@project.iam.gserviceaccount.com".to_owned(),
            email_verified: true,
            exp: NOW + 3600,
            iat: NOW,
        }
    }

    fn check(change: impl FnOnce(&mut Claims)) -> Result<(), Refused> {
        let expected = Expected { audience: claims().aud, service_account: claims().email };
        let mut claims = claims();
        change(&mut claims);
        claims.check(&expected, DateTime::from_timestamp(NOW, 0).unwrap())
    }

    #[test]
    fn only_google_may_speak_and_only_for_our_account_to_us() {
        assert_eq!(check(|_| ()), Ok(()));
        assert_eq!(check(|c| c.iss = "accounts.google.com".into()), Ok(()));

        assert_eq!(check(|c| c.iss = "https://accounts.google.com/".into()), Err(Refused::Claims));
        assert_eq!(check(|c| c.aud.push('/')), Err(Refused::Claims));
        assert_eq!(check(|c| c.email = "x@example.com".into()), Err(Refused::Claims));
        assert_eq!(check(|c| c.email.make_ascii_uppercase()), Err(Refused::Claims));
        assert_eq!(check(|c| c.email_verified = false), Err(Refused::Claims));
    }

    #[test]
    fn a_token_counts_in_its_time_and_a_minute_around_it() {
        assert_eq!(check(|c| c.exp = NOW - 59), Ok(()));
        assert_eq!(check(|c| c.exp = NOW - 60), Err(Refused::Expired));
        assert_eq!(check(|c| c.iat = NOW + 60), Ok(()));
        assert_eq!(check(|c| c.iat = NOW + 61), Err(Refused::Expired));
        assert_eq!(check(|c| c.exp = NOW + LONGEST_LIFE_S), Ok(()));
        assert_eq!(check(|c| c.exp = NOW + LONGEST_LIFE_S + 1), Err(Refused::Expired));
        assert_eq!(check(|c| (c.iat, c.exp) = (i64::MIN, i64::MAX)), Err(Refused::Expired));
    }

    #[test]
    fn a_bearer_token_has_three_segments_and_a_bounded_length() {
        assert_eq!(bearer(b"Bearer a.b-_.c"), Ok("a.b-_.c"));
        assert_eq!(bearer(b"bearer a.b.c"), Ok("a.b.c"));
        for (header, expected) in [
            ("Basic YTpi", Refused::Missing),
            ("Bearer", Refused::Missing),
            ("Bearer ", Refused::Malformed),
            ("Bearer a.b", Refused::Malformed),
            ("Bearer a.b.c.d", Refused::Malformed),
            ("Bearer  a.b.c", Refused::Malformed),
            ("Bearer a.b.c=", Refused::Malformed),
        ] {
            assert_eq!(bearer(header.as_bytes()), Err(expected), "{header}");
        }
        let long = format!("Bearer a.{}.c", "b".repeat(MOST_TOKEN_BYTES));
        assert_eq!(bearer(long.as_bytes()), Err(Refused::Malformed));
        assert_eq!(bearer(b"Bearer \xff.b.c"), Err(Refused::Malformed));
    }
}
