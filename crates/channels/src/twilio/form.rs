//! Names and values of a webhook: decoded once, as bytes for the signature and as
//! text for everybody else.

use std::borrow::Cow;
use std::fmt;

use percent_encoding::percent_decode;

pub(crate) type Pair<'a> = (Cow<'a, [u8]>, Cow<'a, [u8]>);

/// The parameters of a body and of its URL.
#[derive(Clone, PartialEq, Eq)]
pub struct Form {
    fields: Vec<(String, String)>,
    url: Vec<(String, String)>,
}

impl Form {
    pub(crate) fn new(fields: &[Pair<'_>], query: &str) -> Self {
        Self { fields: texts(fields), url: texts(&pairs(query.as_bytes())) }
    }

    /// Parameters that came another way than by a webhook, as text.
    pub(super) fn of(fields: Vec<(String, String)>) -> Self {
        Self { fields, url: Vec::new() }
    }

    /// The value of a parameter; the first where a name repeats, and `None` where it
    /// is empty, which Twilio writes for "nothing".
    pub fn get(&self, name: &str) -> Option<&str> {
        find(&self.fields, name)
    }

    /// The value of a parameter of the URL.
    pub fn url_parameter(&self, name: &str) -> Option<&str> {
        find(&self.url, name)
    }
}

impl fmt::Debug for Form {
    /// The values are a customer's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Form").field("fields", &self.fields.len()).finish_non_exhaustive()
    }
}

fn find<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let (_, value) = pairs.iter().find(|(known, _)| known == name)?;
    Some(value.as_str()).filter(|value| !value.is_empty())
}

/// Bytes that are not UTF-8 become U+FFFD: the rest of the message still arrives.
fn texts(pairs: &[Pair<'_>]) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    pairs.iter().map(|(name, value)| (text(name), text(value))).collect()
}

/// The decoded pairs of a form-encoded text, in its order.
pub(crate) fn pairs(encoded: &[u8]) -> Vec<Pair<'_>> {
    let pairs = encoded.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty());
    let halves = pairs.map(|pair| {
        let mut halves = pair.splitn(2, |byte| *byte == b'=');
        (halves.next().unwrap_or_default(), halves.next().unwrap_or_default())
    });
    halves.map(|(name, value)| (decode(name), decode(value))).collect()
}

/// Undoes `+` and `%XX`; a `%` that starts no pair of digits stands for itself.
fn decode(bytes: &[u8]) -> Cow<'_, [u8]> {
    if !bytes.contains(&b'+') {
        return percent_decode(bytes).into();
    }
    let space = |byte: &u8| if *byte == b'+' { b' ' } else { *byte };
    let spaced: Vec<u8> = bytes.iter().map(space).collect();
    Cow::Owned(percent_decode(&spaced).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(body: &str) -> Form {
        Form::new(&pairs(body.as_bytes()), "d=1&e=%2B")
    }

    #[test]
    fn values_are_decoded_and_empty_ones_are_none() {
        let form =
            form("Body=a+b%26%C3%A9%F0%9F%93%A6&Empty=&Alone&=x&&Twice=1&Twice=2&Odd=100%&H=%zz");

        assert_eq!(form.get("Body"), Some("a b&é📦"));
        assert_eq!(form.get("Empty"), None);
        assert_eq!(form.get("Alone"), None);
        assert_eq!(form.get("Twice"), Some("1"));
        assert_eq!(form.get("Odd"), Some("100%"));
        assert_eq!(form.get("H"), Some("%zz"));
        assert_eq!(form.url_parameter("e"), Some("+"));
        assert_eq!(form.url_parameter("Body"), None);
    }

    #[test]
    fn bytes_that_are_no_text_become_a_mark_and_the_rest_stays() {
        assert_eq!(form("Body=%FFhola%C3").get("Body"), Some("\u{FFFD}hola\u{FFFD}"));
    }

    #[test]
    fn its_debug_text_holds_no_value() {
        assert!(!format!("{:?}", form("Body=secret")).contains("secret"));
    }
}
