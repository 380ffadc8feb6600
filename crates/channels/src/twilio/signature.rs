//! Who may speak as Twilio: checks the signature of a webhook and turns it into a
//! type that nothing else can make.
//!
//! The rules are those of Twilio's own libraries. Only the signature by auth token
//! (HMAC-SHA1) counts; a request that names another algorithm is refused, because the
//! header that names it is not signed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use super::form::{Form, pairs};

pub use crate::verified::Verified;

/// Carries the signature.
pub const SIGNATURE: &str = "x-twilio-signature";
/// Names another key and algorithm than the auth token's.
pub const SIGNATURE_SETTINGS: &str = "x-twilio-webhooks-signature-settings";

const ALGORITHM: &str = "HMAC_SHA1";
/// The URL's parameter with the hash of a body that is no form.
const BODY_HASH: &str = "bodySHA256";

/// A request as it came.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// As the client wrote it: nothing decoded, nothing normalised.
    pub path_and_query: &'a str,
    /// The header [`SIGNATURE`].
    pub signature: Option<&'a [u8]>,
    /// The header [`SIGNATURE_SETTINGS`].
    pub settings: Option<&'a [u8]>,
    pub body: &'a [u8],
}

/// Why a request is not taken for Twilio's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("the request is not signed")]
    Unsigned,
    #[error("the request is signed by an algorithm that is not set up")]
    Algorithm,
    #[error("the signature is not the request's")]
    Forged,
}

/// Checks signatures. Holds keys and both spellings of every URL, with port and
/// without: Twilio signs now one, now the other.
#[derive(Clone)]
pub struct Verifier {
    keys: Vec<Hmac<Sha1>>,
    bases: Vec<String>,
}

impl Verifier {
    /// `tokens` are the account's auth tokens. `public_base_urls` are the origins, with
    /// a path where a proxy takes one away, under which Twilio was told to call.
    pub fn new<'a>(
        tokens: impl IntoIterator<Item = &'a str>,
        public_base_urls: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        // Anybody can sign with an empty key. No other key is refused.
        let tokens = tokens.into_iter().filter(|token| !token.is_empty());
        let keys = tokens.filter_map(|token| Hmac::new_from_slice(token.as_bytes()).ok());
        let bases = public_base_urls.into_iter().flat_map(spellings);
        Self { keys: keys.collect(), bases: bases.collect() }
    }

    /// A form, as the webhooks of messages are. Its signature covers every parameter.
    pub fn form(&self, request: &Request<'_>) -> Result<Verified<Form>, Refused> {
        let claimed = request.claimed()?;
        let pairs = pairs(request.body);
        let mut sorted: Vec<(&[u8], &[u8])> =
            pairs.iter().map(|(name, value)| (name.as_ref(), value.as_ref())).collect();
        sorted.sort_unstable();
        sorted.dedup();
        let mut signed = request.path_and_query.as_bytes().to_vec();
        for (name, value) in sorted {
            signed.extend_from_slice(name);
            signed.extend_from_slice(value);
        }
        self.check(&signed, &claimed)?;
        Ok(Verified(Form::new(&pairs, request.query())))
    }

    /// A body that is no form, or none at all. Its signature covers the URL, which holds
    /// the hash of the body.
    pub fn raw<'a>(&self, request: &Request<'a>) -> Result<Verified<&'a [u8]>, Refused> {
        let claimed = request.claimed()?;
        self.check(request.path_and_query.as_bytes(), &claimed)?;
        let query = pairs(request.query().as_bytes());
        let hash = query.iter().find(|(name, _)| name.as_ref() == BODY_HASH.as_bytes());
        let is_whole = match hash {
            Some((_, hash)) => hash.as_ref() == hex(&Sha256::digest(request.body)).as_bytes(),
            // A GET is a URL and nothing else.
            None => request.body.is_empty(),
        };
        if is_whole { Ok(Verified(request.body)) } else { Err(Refused::Forged) }
    }

    /// Every key and URL is tried, and each comparison takes the same time, so that the
    /// answer's time tells nothing.
    fn check(&self, rest: &[u8], claimed: &[u8]) -> Result<(), Refused> {
        let candidates =
            self.keys.iter().flat_map(|key| self.bases.iter().map(move |base| (key, base)));
        let is_signed = candidates.fold(false, |found, (key, base)| {
            let mac = key.clone().chain_update(base.as_bytes()).chain_update(rest);
            mac.verify_slice(claimed).is_ok() | found
        });
        if is_signed { Ok(()) } else { Err(Refused::Forged) }
    }
}

impl Request<'_> {
    fn query(&self) -> &str {
        self.path_and_query.split_once('?').map_or("", |(_, query)| query)
    }

    /// The signature that the request claims to have.
    fn claimed(&self) -> Result<Vec<u8>, Refused> {
        let signature = self.signature.ok_or(Refused::Unsigned)?;
        if self.settings.is_some_and(|settings| !names_our_algorithm(settings)) {
            return Err(Refused::Algorithm);
        }
        STANDARD.decode(signature).map_err(|_| Refused::Forged)
    }
}

/// `key=…,algorithm=HMAC_SHA256`; without an algorithm it is the usual one.
fn names_our_algorithm(settings: &[u8]) -> bool {
    let settings = String::from_utf8_lossy(settings);
    let members = settings.split(',').filter_map(|member| member.split_once('='));
    let algorithms = members.filter(|(name, _)| name.trim() == "algorithm");
    algorithms
        .map(|(_, value)| value.trim())
        .filter(|value| !value.is_empty())
        .all(|value| value.eq_ignore_ascii_case(ALGORITHM))
}

/// The URL without a port and with one.
fn spellings(base: &str) -> [String; 2] {
    let base = base.trim_end_matches('/');
    let (scheme, rest) = base.split_once("://").unwrap_or(("https", base));
    let authority_ends = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at(authority_ends);
    let (host, port) = match authority.rsplit_once(':') {
        // Not a colon of user:password@ or of an IPv6 address.
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => (host, Some(port)),
        _ => (authority, None),
    };
    let usual = if scheme == "http" { "80" } else { "443" };
    let port = port.filter(|port| !port.is_empty()).unwrap_or(usual);
    [format!("{scheme}://{host}{path}"), format!("{scheme}://{host}:{port}{path}")]
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
