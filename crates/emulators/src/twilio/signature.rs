//! How Twilio signs what it posts.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;

/// The value of `X-Twilio-Signature`: over the URL as configured without its fragment,
/// and every distinct parameter by name and value.
pub fn sign(token: &str, url: &str, parameters: &[(String, String)]) -> String {
    let url = url.split('#').next().unwrap_or(url);
    let mut sorted: Vec<_> = parameters.iter().collect();
    sorted.sort();
    sorted.dedup();
    let mut text = url.to_owned();
    for (name, value) in sorted {
        text.push_str(name);
        text.push_str(value);
    }
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(token.as_bytes()) else { return String::new() };
    mac.update(text.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_published_vectors_are_met() {
        let call = pairs(&[
            ("CallSid", "CA1234567890ABCDE"),
            ("Caller", "+14158675309"),
            ("Digits", "1234"),
            ("From", "+14158675309"),
            ("To", "+18005551212"),
        ]);
        let twice = pairs(&[
            ("MessageSid", "SM00000000000000000000000000000002"),
            ("Tag", "b"),
            ("Tag", "a"),
            ("Tag", "b"),
        ]);
        let token = "0123456789abcdef0123456789abcdef";

        let url = "https://mycompany.com/myapp.php?foo=1&bar=2#rc=5";
        assert_eq!(sign("12345", url, &call), "RSOYDt4T1cUTdK1PDd93/VVr8B8=");
        let url = "https://support.example.com/webhooks/whatsapp/status?tenant=acme";
        assert_eq!(sign(token, url, &twice), "MHdQyX4CexdvTF3iqVpDTUGaEQA=");
        let url = "https://support.example.com/webhooks/whatsapp";
        assert_eq!(sign(token, url, &[]), "pnt5LsihF7d5p/N4sSndTYWndCo=");
    }
}
