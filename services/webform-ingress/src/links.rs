//! Which addresses in the agent's texts become links.

use std::ops::Range;

/// Hosts that links may lead to, with their subdomains.
#[derive(Debug, Clone, Default)]
pub struct LinkHosts(Vec<String>);

/// A stretch of text as the page shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Segment<'a> {
    Text(&'a str),
    Link(&'a str),
}

const SCHEME: &str = "https://";

impl LinkHosts {
    pub fn new(hosts: impl IntoIterator<Item = String>) -> Self {
        Self(hosts.into_iter().map(|host| host.trim().to_ascii_lowercase()).collect())
    }

    /// The text cut at its allowed links.
    pub(crate) fn segments<'a>(&self, text: &'a str) -> Vec<Segment<'a>> {
        let mut segments = Vec::new();
        let mut shown = 0;
        for (start, _) in text.match_indices(SCHEME) {
            let Some(url) = text.get(start..).map(address) else { continue };
            let Range { start, end } = start..start + url.len();
            if start < shown || !self.allows(url) {
                continue;
            }
            segments.extend(text.get(shown..start).filter(|t| !t.is_empty()).map(Segment::Text));
            segments.push(Segment::Link(url));
            shown = end;
        }
        segments.extend(text.get(shown..).filter(|t| !t.is_empty()).map(Segment::Text));
        segments
    }

    /// Only a plain host may follow the scheme: user info and ports are how
    /// links pretend to lead elsewhere.
    fn allows(&self, url: &str) -> bool {
        let rest = url.strip_prefix(SCHEME).unwrap_or_default();
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let host = authority.to_ascii_lowercase();
        let is_plain = host.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'-');
        is_plain
            && self.0.iter().any(|allowed| {
                let before = host.strip_suffix(allowed.as_str());
                before.is_some_and(|before| before.is_empty() || before.ends_with('.'))
            })
    }
}

/// The address at the start of the text, without the punctuation of its sentence.
fn address(text: &str) -> &str {
    let end = text
        .find(|c: char| {
            !c.is_ascii_graphic() || matches!(c, '<' | '>' | '"' | '`' | '\\' | ')' | ']')
        })
        .unwrap_or(text.len());
    text.get(..end).unwrap_or_default().trim_end_matches(['.', ',', ';', ':', '!', '?', '\''])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(text: &str) -> Vec<&str> {
        let hosts = LinkHosts::new(["taskflow.example".to_owned()]);
        let segments = hosts.segments(text);
        let whole: String = segments
            .iter()
            .map(|segment| match segment {
                Segment::Text(text) | Segment::Link(text) => *text,
            })
            .collect();
        assert_eq!(whole, text, "no character is lost");
        let found = segments.into_iter().filter_map(|segment| match segment {
            Segment::Link(url) => Some(url),
            Segment::Text(_) => None,
        });
        found.collect()
    }

    #[test]
    fn allowed_addresses_are_found_without_the_punctuation_around_them() {
        assert_eq!(
            links(
                "See https://taskflow.example/help/export-data. (https://help.TaskFlow.example/a?b=c#d)\nBye"
            ),
            ["https://taskflow.example/help/export-data", "https://help.TaskFlow.example/a?b=c#d"]
        );
        assert_eq!(links("https://taskflow.example"), ["https://taskflow.example"]);
    }

    #[test]
    fn everything_else_stays_text() {
        for text in [
            "",
            "no link",
            "http://taskflow.example/",
            "https://evil.example/",
            "https://nottaskflow.example/",
            "https://taskflow.example.evil.example/",
            "https://taskflow.example@evil.example/",
            "https://taskflow.example:8443/",
            "https://",
            "javascript:alert(1)//https:/taskflow.example",
        ] {
            assert_eq!(links(text), Vec::<&str>::new(), "{text}");
        }
    }

    #[test]
    fn without_allowed_hosts_nothing_is_a_link() {
        let text = "https://taskflow.example/";

        assert_eq!(LinkHosts::default().segments(text), [Segment::Text(text)]);
    }
}
