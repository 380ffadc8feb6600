//! The webhooks of the benchmark: messages of WhatsApp, signed as Twilio signs them.

use emulators::twilio::{Settings as Account, sign};

/// Where both handlers are told that Twilio calls them.
pub(crate) const ORIGIN: &str = "https://support.example.com";

const QUESTION: &str = "How can I get one of my boards out as a spreadsheet file";

/// The path that is signed; the bare handler listens on it as well.
pub(crate) const PATH: &str = "/webhooks/whatsapp";

/// Stands in every text of a customer who disturbs the others.
pub(crate) const DISTURBER: &str = "(disturber)";

/// So many numbers of messages belong to one crowd of customers.
pub(crate) const CROWD: u64 = 1_000_000;

/// The nth message, each of another customer, as a form body.
pub(crate) fn form(number: u64) -> String {
    encoded(&parameters(number))
}

/// The nth message, all of a crowd's of one and the same customer.
pub(crate) fn disturbing_form(number: u64) -> String {
    encoded(&disturbing_parameters(number))
}

fn encoded(pairs: &[(String, String)]) -> String {
    let encode = |text: &str| text.replace(':', "%3A").replace('+', "%2B").replace(' ', "+");
    let pairs = pairs.iter().map(|(name, value)| format!("{name}={}", encode(value)));
    pairs.collect::<Vec<_>>().join("&")
}

/// The signature of the nth message.
pub(crate) fn signature(number: u64) -> String {
    signed(&parameters(number))
}

/// The signature of the nth message, all of a crowd's of one and the same customer.
pub(crate) fn disturbing_signature(number: u64) -> String {
    signed(&disturbing_parameters(number))
}

fn signed(parameters: &[(String, String)]) -> String {
    sign(&Account::default().auth_token, &format!("{ORIGIN}{PATH}"), parameters)
}

fn parameters(number: u64) -> Vec<(String, String)> {
    message(number, format!("1415{:08}", number % 100_000_000), QUESTION.to_owned())
}

fn disturbing_parameters(number: u64) -> Vec<(String, String)> {
    let disturber = format!("1416{:08}", number / CROWD);
    message(number, disturber, format!("{QUESTION} {DISTURBER}"))
}

fn message(number: u64, digits: String, body: String) -> Vec<(String, String)> {
    let account = Account::default();
    let sid = format!("SM{number:032x}");
    let pairs = [
        ("AccountSid", account.account_sid),
        ("ApiVersion", "2010-04-01".to_owned()),
        ("Body", body),
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

        assert!(body.contains("&From=whatsapp%3A%2B141500000007&"), "{body}");
        assert!(body.contains("&Body=How+can+I+get"), "{body}");
        assert_eq!(signature(7).len(), 28);
        assert_ne!(signature(7), signature(8));
    }

    #[test]
    fn who_writes_in_one_crowd_writes_in_no_other() {
        let from = |parameters: Vec<(String, String)>| {
            parameters.into_iter().find(|(name, _)| name == "From").unwrap().1
        };
        let customers = (1..=20).map(|crowd| from(parameters(crowd * CROWD)));
        let disturbers = (1..=20).map(|crowd| from(disturbing_parameters(crowd * CROWD + 7)));

        let all: std::collections::HashSet<_> = customers.chain(disturbers).collect();

        assert_eq!(all.len(), 40);
        assert_eq!(from(disturbing_parameters(CROWD)), from(disturbing_parameters(2 * CROWD - 1)));
    }
}
