//! What the values of settings look like: read from a change, or refused. Pure.

use std::collections::BTreeMap;

use email_address::{EmailAddress, Options};

/// Addresses in one list: more is a mailing list, not a channel's setting.
const MOST_ADDRESSES: usize = 200;

/// A whole template has at most 1,024 characters on WhatsApp.
const MOST_VARIABLE_BYTES: usize = 500;

/// Longer than any name that is not meant to mislead.
const MOST_NAME_SIGNS: usize = 80;

pub(super) fn some(value: &str) -> Option<&str> {
    Some(value).filter(|value| !value.is_empty())
}

pub(super) fn template_id(value: &str) -> Result<String, ()> {
    let digits = value.strip_prefix("HX").unwrap_or_default();
    let is_sid = digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_sid { Ok(value.to_owned()) } else { Err(()) }
}

/// As WhatsApp takes them: no line break, no tab, at most four spaces in a row.
pub(super) fn variables(value: &str) -> Option<String> {
    let parsed: BTreeMap<String, String> = serde_json::from_str(value).ok()?;
    let is_plain = |text: &String| {
        text.len() <= MOST_VARIABLE_BYTES
            && !text.chars().any(char::is_control)
            && !text.contains("     ")
    };
    parsed.values().all(is_plain).then(|| value.to_owned())
}

pub(super) fn number(value: &str, most: u32) -> Option<u32> {
    value.parse().ok().filter(|number| (1..=most).contains(number))
}

/// Addresses in lower case, each once.
pub(super) fn addresses(value: &str) -> Option<Vec<String>> {
    let mut addresses = Vec::new();
    for entry in entries(value) {
        add(&mut addresses, address(entry)?);
    }
    (addresses.len() <= MOST_ADDRESSES).then_some(addresses)
}

/// As [`addresses`], and the names that stand after some of them: one each.
pub(super) fn staff(value: &str) -> Option<(Vec<String>, BTreeMap<String, String>)> {
    let mut addresses = Vec::new();
    let mut names = BTreeMap::new();
    for entry in entries(value) {
        // An address may have `=` before its `@`.
        let from_at = entry.find('@')?;
        let end = entry.get(from_at..)?.find('=').map(|after| from_at + after);
        let address = address(entry.get(..end.unwrap_or(entry.len()))?)?;
        if let Some(end) = end {
            let name = name(entry.get(end + 1..)?)?;
            if *names.entry(address.clone()).or_insert_with(|| name.clone()) != name {
                return None;
            }
        }
        add(&mut addresses, address);
    }
    (addresses.len() <= MOST_ADDRESSES).then_some((addresses, names))
}

fn entries(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(str::trim).filter(|entry| !entry.is_empty())
}

fn add(addresses: &mut Vec<String>, address: String) {
    if !addresses.contains(&address) {
        addresses.push(address);
    }
}

fn address(value: &str) -> Option<String> {
    let address = value.trim().to_lowercase();
    let options = Options::default().without_display_text().without_domain_literal();
    let parsed = EmailAddress::parse_with_options(&address, options).ok()?;
    // The library takes it for a part of the domain.
    let is_whole = !parsed.domain().contains('=');
    is_whole.then_some(address)
}

/// A name that a customer may see: printed as it is written.
fn name(value: &str) -> Option<String> {
    let name = value.trim();
    let is_short = (1..=MOST_NAME_SIGNS).contains(&name.chars().count());
    (is_short && !name.chars().any(char::is_control)).then(|| name.to_owned())
}
