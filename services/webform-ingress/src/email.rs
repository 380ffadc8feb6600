//! E-mail addresses as customers type them.

use std::str::FromStr;

use email_address::Options;

/// Longest address that SMTP can carry, in characters.
pub(crate) const MOST_EMAIL_CHARS: usize = 254;

/// An address of correct syntax: `local@domain.tld`, without a display name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmailAddress(String);

/// Not an address that a person could have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a valid address")]
pub struct InvalidEmail;

impl EmailAddress {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// As typed.
    pub fn into_string(self) -> String {
        self.0
    }

    /// Address and domain as the limits count them: letter case is no new address.
    pub(crate) fn limit_keys(&self) -> (String, String) {
        let address = self.0.to_lowercase();
        let domain = address.rsplit_once('@').map_or("", |(_, domain)| domain).to_owned();
        (address, domain)
    }
}

impl FromStr for EmailAddress {
    type Err = InvalidEmail;

    fn from_str(text: &str) -> Result<Self, InvalidEmail> {
        let options =
            Options::default().without_display_text().without_domain_literal().with_required_tld();
        match email_address::EmailAddress::parse_with_options(text, options) {
            Ok(address) if address.as_str().len() == text.len() => Ok(Self(text.to_owned())),
            _ => Err(InvalidEmail),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_addresses_are_accepted_as_typed() {
        for text in ["sam@example.org", "Sam.O'Doe+tag@mail.Example.co.uk", "jürgen@bücher.example"]
        {
            assert_eq!(text.parse::<EmailAddress>().unwrap().into_string(), text);
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "sam",
            "sam@",
            "@example.org",
            "sam@example",
            "sam@@example.org",
            "sam example@example.org",
            "Sam <sam@example.org>",
            "sam@[127.0.0.1]",
            "sam@example.org\r\nBcc: all@example.org",
            "sam@exa\0mple.org",
        ] {
            assert_eq!(text.parse::<EmailAddress>(), Err(InvalidEmail), "{text:?}");
        }
    }

    #[test]
    fn letter_case_makes_no_new_address_for_the_limits() {
        let address: EmailAddress = "Sam@Example.ORG".parse().unwrap();

        assert_eq!(address.limit_keys(), ("sam@example.org".into(), "example.org".into()));
    }
}
