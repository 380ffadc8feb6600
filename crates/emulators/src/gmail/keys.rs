//! Google's signing keys: the tokens that come with a push, and the set of public keys.

use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use aws_lc_rs::{hmac, rsa};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::BadToken;
use super::base64url::encode_unpadded;
use super::settings::Push;

/// How long a token of Google's is good, in seconds.
const LIFE: i64 = 3600;

/// Keys, the newest last. The first is made when one is needed: it takes a while.
#[derive(Debug, Default)]
pub(super) struct Keys(Mutex<Vec<Key>>);

#[derive(Debug)]
struct Key {
    id: String,
    /// Not in the set of public keys.
    is_hidden: bool,
    pair: KeyPair,
}

impl Keys {
    /// The set of public keys.
    pub(super) fn public(&self) -> Value {
        let keys = self.with_one();
        let shown = keys.iter().filter(|key| !key.is_hidden).map(|key| {
            let public: &rsa::PublicKey = key.pair.public_key();
            json!({
                "kid": key.id,
                "kty": "RSA",
                "alg": "RS256",
                "use": "sig",
                "n": encode_unpadded(public.modulus().big_endian_without_leading_zero()),
                "e": encode_unpadded(public.exponent().big_endian_without_leading_zero()),
            })
        });
        json!({ "keys": shown.collect::<Vec<_>>() })
    }

    /// Signs with a new key from here on; the old ones stay in the set.
    pub(super) fn rotate(&self) {
        let mut keys = self.with_one();
        keys.extend(Key::new(false));
    }

    /// The token for a push, or one that must be refused.
    pub(super) fn token(&self, push: &Push, now: DateTime<Utc>, bad: Option<BadToken>) -> String {
        let mut keys = self.with_one();
        let needs_hidden =
            bad == Some(BadToken::UnknownKey) && keys.iter().all(|key| !key.is_hidden);
        if let Some(key) = needs_hidden.then(|| Key::new(true)).flatten() {
            keys.insert(0, key);
        }
        let is_hidden = bad == Some(BadToken::UnknownKey);
        let Some(key) = keys.iter().rev().find(|key| key.is_hidden == is_hidden) else {
            return String::new();
        };
        let algorithm = match bad {
            Some(BadToken::Unsigned) => "none",
            Some(BadToken::SymmetricAlgorithm) => "HS256",
            _ => "RS256",
        };
        let head = json!({ "alg": algorithm, "kid": key.id, "typ": "JWT" });
        let claims = claims(push, now.timestamp(), bad);
        let signed = [head, claims].map(|part| encode_unpadded(part.to_string().as_bytes()));
        let signed = signed.join(".");
        let signature = match bad {
            Some(BadToken::Unsigned) => Vec::new(),
            Some(BadToken::SymmetricAlgorithm) => key.symmetric(signed.as_bytes()),
            Some(BadToken::WrongSignature) => key.sign(b"something else"),
            _ => key.sign(signed.as_bytes()),
        };
        match bad {
            Some(BadToken::Garbled) => "not.a.token".to_owned(),
            _ => format!("{signed}.{}", encode_unpadded(&signature)),
        }
    }

    fn with_one(&self) -> MutexGuard<'_, Vec<Key>> {
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !keys.iter().any(|key| !key.is_hidden) {
            keys.extend(Key::new(false));
        }
        keys
    }
}

fn claims(push: &Push, now: i64, bad: Option<BadToken>) -> Value {
    let issued_at = match bad {
        Some(BadToken::Expired) => now - 2 * LIFE,
        Some(BadToken::FromTheFuture) => now + LIFE,
        _ => now,
    };
    let issuer = match bad {
        Some(BadToken::WrongIssuer) => "https://accounts.example.com",
        _ => "https://accounts.google.com",
    };
    let audience = match bad {
        Some(BadToken::WrongAudience) => format!("{}/", push.audience),
        _ => push.audience.clone(),
    };
    let email = match bad {
        Some(BadToken::AnotherAccount) => format!("another-{}", push.service_account),
        _ => push.service_account.clone(),
    };
    json!({
        "aud": audience,
        "azp": "113774264463038321964",
        "email": email,
        "email_verified": bad != Some(BadToken::UnverifiedEmail),
        "exp": issued_at + LIFE,
        "iat": issued_at,
        "iss": issuer,
        "sub": "113774264463038321964",
    })
}

impl Key {
    /// None where the machine has no randomness.
    fn new(is_hidden: bool) -> Option<Self> {
        let id = uuid::Uuid::new_v4().simple().to_string();
        let pair = KeyPair::generate(KeySize::Rsa2048).ok()?;
        Some(Self { id, is_hidden, pair })
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        let signed =
            self.pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature);
        if signed.is_ok() { signature } else { Vec::new() }
    }

    /// As somebody signs who has only the public key.
    fn symmetric(&self, message: &[u8]) -> Vec<u8> {
        let public = self.pair.public_key().as_der();
        let public = public.map(|der| der.as_ref().to_vec()).unwrap_or_default();
        hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &public), message).as_ref().to_vec()
    }
}
