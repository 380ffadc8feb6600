//! What no reply may say, whoever drafted it.

use url::Url;

use crate::policy::pattern::Matcher;
use crate::policy::text::sentences;

/// Phrases that are taken out, promises that stop a reply, and what it may lead to.
#[derive(Debug)]
pub(crate) struct Guard {
    pub(super) remove: Vec<String>,
    pub(super) matcher: Matcher,
    pub(super) hand_over: Matcher,
    /// Hosts; those below them count too.
    pub(super) links: Vec<String>,
    pub(super) addresses: Vec<String>,
}

impl Guard {
    /// The part of a draft for which it must not be sent.
    pub(crate) fn refuses(&self, draft: &str) -> Option<String> {
        let sentences = sentences(draft);
        let found = self.matcher.read(&sentences);
        let first = found.first()?;
        let tokens = sentences.get(first.sentence)?.tokens.get(first.from..first.to)?;
        draft.get(tokens.first()?.start..tokens.last()?.end).map(str::to_owned)
    }

    /// Whether the draft says that a person takes over.
    pub(crate) fn promises_hand_over(&self, draft: &str) -> bool {
        !self.hand_over.read(&sentences(draft)).is_empty()
    }

    /// Whether a link leads to a place that replies may name; it needs no scheme.
    pub(crate) fn links_to(&self, link: &str) -> bool {
        let with_scheme = match link.contains("://") {
            true => link.to_owned(),
            false => format!("https://{link}"),
        };
        let Ok(url) = Url::parse(&with_scheme) else { return false };
        let Some(host) = url.host_str() else { return false };
        let is_at = |known: &String| {
            host == known || host.strip_suffix(known.as_str()).is_some_and(|h| h.ends_with('.'))
        };
        matches!(url.scheme(), "https" | "http") && self.links.iter().any(is_at)
    }

    /// Addresses of the company that replies may name.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = &str> {
        self.addresses.iter().map(String::as_str)
    }

    /// The draft without the phrases that no reply holds.
    pub(crate) fn clean(&self, draft: &str) -> String {
        self.remove.iter().fold(draft.to_owned(), |text, phrase| without(&text, phrase))
    }
}

/// Removes a phrase with the comma after it; a sentence that began with it gets its capital.
fn without(text: &str, phrase: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = find_word(rest, phrase) {
        let (before, found) = rest.split_at(at);
        kept.push_str(before);
        let after = found.get(phrase.len()..).unwrap_or_default();
        let after = after.strip_prefix(',').unwrap_or(after);
        let after = after.strip_prefix(' ').unwrap_or(after);
        let begins = found.chars().next().is_some_and(char::is_uppercase);
        let mut symbols = after.chars();
        rest = match symbols.next() {
            Some(first) if begins => {
                kept.extend(first.to_uppercase());
                symbols.as_str()
            }
            _ => after,
        };
    }
    kept.push_str(rest);
    kept
}

/// Where the phrase stands as words of its own, in any case. ASCII phrases only.
fn find_word(text: &str, phrase: &str) -> Option<usize> {
    text.char_indices().map(|(at, _)| at).find(|at| {
        let Some(found) = text.get(*at..*at + phrase.len()) else { return false };
        let before = text.get(..*at).and_then(|before| before.chars().next_back());
        let after = text.get(*at + phrase.len()..).and_then(|after| after.chars().next());
        let is_letter = |symbol: Option<char>| symbol.is_some_and(char::is_alphanumeric);
        found.eq_ignore_ascii_case(phrase) && !is_letter(before) && !is_letter(after)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forbidden_word_goes_with_its_comma_and_the_next_takes_the_capital() {
        let clean = |text: &str| without(&without(text, "unfortunately"), "simply");

        assert_eq!(clean("Unfortunately, this is so."), "This is so.");
        assert_eq!(clean("You simply press it."), "You press it.");
        assert_eq!(clean("It is simplyfied."), "It is simplyfied.");
    }
}
