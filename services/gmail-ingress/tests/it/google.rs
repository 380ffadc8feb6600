//! Google's keys: a server that can be taken away, and tokens signed as one likes.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};

use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::{KeyPair, PKCS_RSA_SHA256, PublicKeyData as _, SigningKey as _};
use serde_json::{Value, json};

use crate::support::NOW;

pub(crate) const AUDIENCE: &str = "https://support.example.com/webhooks/gmail";
pub(crate) const ACCOUNT: &str = "push@project.iam.gserviceaccount.com";

/// Two keys, as there are during a rotation; making one takes a while.
pub(crate) static KEYS: LazyLock<[Key; 2]> = LazyLock::new(|| [Key::new("one"), Key::new("two")]);

pub(crate) struct Key {
    pub(crate) kid: &'static str,
    pair: KeyPair,
    pub(crate) jwk: Value,
}

impl Key {
    fn new(kid: &'static str) -> Self {
        let pair = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap();
        // A sequence of two numbers; the first has 256 bytes behind a zero.
        let der = pair.der_bytes();
        let (modulus, exponent) = (&der[9..265], &der[der.len() - 3..]);
        let jwk = json!({
            "kid": kid,
            "kty": "RSA",
            "use": "sig",
            "alg": "RS256",
            "n": URL_SAFE_NO_PAD.encode(modulus),
            "e": URL_SAFE_NO_PAD.encode(exponent),
        });
        Self { kid, pair, jwk }
    }

    /// A token of this header and these claims, signed by this key.
    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> String {
        let message = unsigned(header, claims);
        let signature = self.pair.sign(message.as_bytes()).unwrap();
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    pub(crate) fn header(&self) -> Value {
        json!({ "alg": "RS256", "typ": "JWT", "kid": self.kid })
    }

    /// Google's token with some of its claims changed.
    pub(crate) fn token(&self, changes: Value) -> String {
        self.sign(&self.header(), &claims(changes))
    }
}

pub(crate) fn unsigned(header: &Value, claims: &Value) -> String {
    let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    format!("{}.{}", encode(header), encode(claims))
}

pub(crate) fn claims(changes: Value) -> Value {
    let mut claims = json!({
        "aud": AUDIENCE,
        "azp": "113774264463038321964",
        "email": ACCOUNT,
        "email_verified": true,
        "exp": NOW + 3600,
        "iat": NOW,
        "iss": "https://accounts.google.com",
        "sub": "113774264463038321964",
    });
    let object = claims.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        object.insert(name.clone(), value.clone());
    }
    claims
}

/// A server of keys.
#[derive(Clone)]
pub(crate) struct Certs {
    address: SocketAddr,
    keys: Arc<Mutex<Option<Vec<&'static Key>>>>,
    asked: Arc<AtomicUsize>,
}

impl Certs {
    pub(crate) async fn start() -> Self {
        let keys = Arc::new(Mutex::new(Some(vec![&KEYS[0]])));
        let asked = Arc::new(AtomicUsize::new(0));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let certs = Self { address: listener.local_addr().unwrap(), keys, asked };
        let served = certs.clone();
        let router = Router::new().route("/certs", get(move || served.clone().answer()));
        tokio::spawn(async move { axum::serve(listener, router).await });
        certs
    }

    async fn answer(self) -> Result<([(&'static str, &'static str); 1], Json<Value>), StatusCode> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let keys = self.keys.lock().unwrap();
        let keys = keys.as_ref().ok_or(StatusCode::SERVICE_UNAVAILABLE)?;
        let keys: Vec<_> = keys.iter().map(|key| key.jwk.clone()).collect();
        Ok(([("cache-control", "public, max-age=3600")], Json(json!({ "keys": keys }))))
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/certs", self.address)
    }

    /// The keys from here on; `None` and the server only fails.
    pub(crate) fn set(&self, keys: Option<Vec<&'static Key>>) {
        *self.keys.lock().unwrap() = keys;
    }

    /// How often somebody asked.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}
