//! Google's signing keys: fetched, kept as long as they may be, and fetched again when
//! a token names a key that is not among them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::DecodingKey;
use reqwest::header::{CACHE_CONTROL, HeaderMap};
use serde_json::Value;
use tokio::sync::Mutex;
use tracing::warn;

use crate::http;

/// Both for a key that nobody knows and after a failed fetch: a storm of tokens with
/// invented keys costs one request a minute.
const REFETCH: TimeDelta = TimeDelta::seconds(60);

/// When the answer does not say; Google's says hours.
const USUAL_AGE: TimeDelta = TimeDelta::hours(1);
const LONGEST_AGE: TimeDelta = TimeDelta::hours(24);

/// How long a set still counts past its age while no other can be had.
const STALE: TimeDelta = TimeDelta::hours(24);

/// A push is given ten seconds; the key is half of the work.
const TIMEOUT: Duration = Duration::from_secs(4);

/// Google's set has two or three keys of 400 bytes.
const MOST_BYTES: usize = 256 << 10;

/// Google's keys, by URL.
pub struct Keys {
    client: reqwest::Client,
    url: String,
    /// Held during a fetch, so that concurrent pushes wait for one.
    cache: Mutex<Cache>,
}

#[derive(Default)]
struct Cache {
    set: HashMap<String, Arc<DecodingKey>>,
    /// When the set was fetched last, and until when it is fresh.
    fetched: Option<(DateTime<Utc>, DateTime<Utc>)>,
    tried: Option<DateTime<Utc>>,
}

/// Why there is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoKey {
    /// Google has no such key.
    Unknown,
    /// Google's keys cannot be had now.
    Unavailable,
}

#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error("the keys could not be fetched")]
    Http(#[source] reqwest::Error),
    #[error("the answer with the keys broke off or is too long")]
    Body,
    #[error("the answer holds no keys")]
    NoKeys,
}

impl Keys {
    /// The keys behind this URL, a JSON Web Key Set.
    pub fn new(url: impl Into<String>) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()?;
        Ok(Self { client, url: url.into(), cache: Mutex::new(Cache::default()) })
    }

    pub(super) async fn key(
        &self,
        kid: &str,
        now: DateTime<Utc>,
    ) -> Result<Arc<DecodingKey>, NoKey> {
        let mut cache = self.cache.lock().await;
        let is_known = cache.set.contains_key(kid);
        if (!is_known || !cache.is_fresh(now)) && cache.may_try(now) {
            cache.tried = Some(now);
            match self.fetch().await {
                Ok((set, age)) => {
                    cache.set = set;
                    cache.fetched = Some((now, now + age));
                }
                Err(error) => {
                    let error = chain(&error);
                    warn!(error.cause_chain = error, "google's keys could not be fetched");
                }
            }
        }
        if !cache.is_usable(now) {
            return Err(NoKey::Unavailable);
        }
        // Unknown is a word about Google's keys, so it takes a set that is not old.
        let missing = if cache.is_fresh(now) { NoKey::Unknown } else { NoKey::Unavailable };
        cache.set.get(kid).cloned().ok_or(missing)
    }

    async fn fetch(&self) -> Result<(HashMap<String, Arc<DecodingKey>>, TimeDelta), FetchError> {
        let failed = |error: reqwest::Error| FetchError::Http(error.without_url());
        let response = self.client.get(&self.url).send().await.map_err(failed)?;
        let response = response.error_for_status().map_err(failed)?;
        let age = age(response.headers());
        let body = http::body(response, MOST_BYTES).await.map_err(|_| FetchError::Body)?;
        let keys = parse(&body);
        if keys.is_empty() { Err(FetchError::NoKeys) } else { Ok((keys, age)) }
    }
}

impl Cache {
    fn is_fresh(&self, now: DateTime<Utc>) -> bool {
        self.fetched.is_some_and(|(_, until)| now < until)
    }

    fn is_usable(&self, now: DateTime<Utc>) -> bool {
        self.fetched.is_some_and(|(_, until)| now < until + STALE)
    }

    fn may_try(&self, now: DateTime<Utc>) -> bool {
        self.tried.is_none_or(|tried| now >= tried + REFETCH)
    }
}

/// The RSA keys for signatures; what else the set holds is left out.
fn parse(body: &[u8]) -> HashMap<String, Arc<DecodingKey>> {
    let document: Value = serde_json::from_slice(body).unwrap_or_default();
    let keys = document.get("keys").and_then(Value::as_array).map(Vec::as_slice);
    let read = |key: &Value| {
        let field = |name: &str| key.get(name).and_then(Value::as_str);
        let fits = field("kty") == Some("RSA")
            && field("alg").is_none_or(|algorithm| algorithm == "RS256")
            && field("use").is_none_or(|purpose| purpose == "sig");
        let decoding = DecodingKey::from_rsa_components(field("n")?, field("e")?).ok()?;
        fits.then_some((field("kid")?.to_owned(), Arc::new(decoding)))
    };
    keys.unwrap_or_default().iter().filter_map(read).collect()
}

/// `max-age` of Cache-Control.
fn age(headers: &HeaderMap) -> TimeDelta {
    let values = headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    let directives = values.flat_map(|value| value.split(','));
    let max_age = directives.filter_map(|directive| {
        let (name, value) = directive.split_once('=')?;
        let seconds = value.trim().trim_matches('"').parse::<u32>().ok()?;
        name.trim().eq_ignore_ascii_case("max-age").then_some(seconds)
    });
    let age = max_age.map(|seconds| TimeDelta::seconds(seconds.into())).next();
    age.unwrap_or(USUAL_AGE).clamp(REFETCH, LONGEST_AGE)
}

/// An error and its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(CACHE_CONTROL, value.parse().unwrap())])
    }

    #[test]
    fn keys_are_kept_as_long_as_the_answer_says_within_bounds() {
        let cases = [
            ("public, max-age=19845, must-revalidate", TimeDelta::seconds(19_845)),
            ("Max-Age=\"120\"", TimeDelta::seconds(120)),
            ("max-age=0", REFETCH),
            ("max-age=99999999", LONGEST_AGE),
            ("no-cache", USUAL_AGE),
            ("max-age=soon", USUAL_AGE),
        ];

        for (value, expected) in cases {
            assert_eq!(age(&headers(value)), expected, "{value}");
        }
        assert_eq!(age(&HeaderMap::new()), USUAL_AGE);
    }

    #[test]
    fn only_rsa_keys_for_signatures_are_taken() {
        let body = br#"{"keys":[
            {"kid":"a","kty":"RSA","alg":"RS256","use":"sig","n":"AQAB","e":"AQAB"},
            {"kid":"b","kty":"RSA","n":"AQAB","e":"AQAB"},
            {"kid":"c","kty":"RSA","use":"enc","n":"AQAB","e":"AQAB"},
            {"kid":"d","kty":"RSA","alg":"RS512","n":"AQAB","e":"AQAB"},
            {"kid":"e","kty":"oct","k":"AQAB"},
            {"kty":"RSA","n":"AQAB","e":"AQAB"},
            {"kid":"f","kty":"RSA","n":"%","e":"AQAB"}, 7]}"#;

        let keys = parse(body);

        let mut kids: Vec<_> = keys.keys().map(String::as_str).collect();
        kids.sort_unstable();
        assert_eq!(kids, ["a", "b"]);
        assert!(parse(b"<html>").is_empty() && parse(b"{\"keys\":{}}").is_empty());
    }
}
