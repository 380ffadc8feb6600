//! The webhooks of the benchmark: messages of WhatsApp, signed as Twilio signs them.

use emulators::twilio::{Settings as Account, sign};

/// Where both handlers are told that Twilio calls them.
pub(crate) const ORIGIN: &str = "https://support.example.com";

/// The path that is signed; the bare handler listens on it as well.
pub(crate) const PATH: &str = "/webhooks/whatsapp";

/// The nth message as a form body.
pub(crate) fn form(number: u64) -> String {
    let encode = |text: &str| text.replace(':', "%3A").replace('+', "%2B").replace(' ', "+");
    let pairs = parameters(number);
    let pairs = pairs.iter().map(|(name, value)| format!("{name}={}", encode(value)));
    pairs.collect::<Vec<_>>().join("&")
}

/// The signature of the nth message.
pub(crate) fn signature(number: u64) -> String {
    sign(&Account::default().auth_token, &format!("{ORIGIN}{PATH}"), &parameters(number))
}

fn parameters(number: u64) -> Vec<(String, String)> {
    let account = Account::default();
    let sid = format!("SM{number:032x}");
    let digits = format!("1415{:07}", number % 10_000_000);
    let pairs = [
        ("AccountSid", account.account_sid),
        ("ApiVersion", "2010-04-01".to_owned()),
        ("Body", "How can I get one of my boards out as a spreadsheet file".to_owned()),
        ("From", format!("whatsapp:+{digits}")),
        ("MessageSid", sid.clone()),
        ("MessageType", "text".to_owned()),
        ("NumMedia", "0".to_owned()),
        ("NumSegments", "1".to_owned()),
        ("ProfileName", "Sam Doe".to_owned()),
        ("SmsMessageSid", sid.clone()),
        ("SmsSid", sid),
        ("SmsStatus", "received".to_owned()),
        ("To", account.sender),
        ("WaId", digits),
    ];
    pairs.map(|(name, value)| (name.to_owned(), value)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_encoded_so_that_it_reads_back_as_it_was_signed() {
        let body = form(7);

        assert!(body.contains("&From=whatsapp%3A%2B14150000007&"), "{body}");
        assert!(body.contains("&Body=How+can+I+get"), "{body}");
        assert_eq!(signature(7).len(), 28);
        assert_ne!(signature(7), signature(8));
    }
}
