//! What our own receiver found out about the sender (RFC 8601).

use contract::Authentication;

use super::headers::Headers;
use super::lists::LISTS;

/// The DMARC verdict for a From of this domain.
pub(super) fn verdict(headers: &Headers, from: Option<&str>) -> Authentication {
    let Some((_, domain)) = from.and_then(|from| from.rsplit_once('@')) else {
        return Authentication::None;
    };
    // An address of each of two people proves neither.
    if headers.all("from").count() != 1 || headers.mailboxes("from").len() != 1 {
        return none_but_fail(of_receiver(headers, domain));
    }
    of_receiver(headers, domain)
}

fn none_but_fail(verdict: Authentication) -> Authentication {
    if verdict == Authentication::Fail { verdict } else { Authentication::None }
}

/// Ours stands above what the mail brought with it: above the first `Received` of another
/// host and the writer's own fields. Only the topmost counts.
fn of_receiver(headers: &Headers, domain: &str) -> Authentication {
    let receiver = LISTS.receiver.as_str();
    for (name, value) in headers.iter() {
        match name {
            "authentication-results" => return read(value, receiver, domain),
            "received" if !is_by(value, receiver) => break,
            "from" | "date" | "subject" | "message-id" | "to" | "mime-version" => break,
            _ => {}
        }
    }
    Authentication::None
}

/// Whether this hop was ours: named so, or an address within the provider's network,
/// which writes no host that it came from.
fn is_by(received: &str, receiver: &str) -> bool {
    let words = words(received);
    let by = words.windows(2).find(|pair| pair.first().is_some_and(|word| word == "by"));
    let host = by.and_then(|pair| pair.get(1)).map(String::as_str).unwrap_or_default();
    let from_nowhere = words.first().is_some_and(|word| word == "by");
    host == receiver || from_nowhere
}

fn read(value: &str, receiver: &str, domain: &str) -> Authentication {
    let words = words(value);
    let mut results = words.split(|word| word == ";");
    // The name of the host that checked, perhaps with a version.
    let is_ours = results.next().and_then(|id| id.first()).is_some_and(|id| id == receiver);
    if !is_ours {
        return Authentication::None;
    }
    let mut verdict = Authentication::None;
    for result in results {
        match of_method(result, domain) {
            Some(Authentication::Fail) => return Authentication::Fail,
            Some(found) => verdict = found,
            None => {}
        }
    }
    verdict
}

/// The result of `dmarc`, where this is one, for the domain that it speaks of.
fn of_method(result: &[String], domain: &str) -> Option<Authentication> {
    let mut pairs = result.split(|word| word == "=");
    let method = pairs.next()?.last()?;
    let outcome = pairs.next()?.first()?;
    if method.split('/').next() != Some("dmarc") {
        return None;
    }
    let about = result.windows(3).find_map(|three| match three {
        [name, sign, value] if name == "header.from" && sign == "=" => Some(value.as_str()),
        _ => None,
    });
    let is_about_from = about.is_none_or(|about| {
        about.rsplit_once('@').map_or(about, |(_, domain)| domain).trim_end_matches('.') == domain
    });
    Some(match outcome.as_str() {
        "pass" if is_about_from => Authentication::Pass,
        "fail" => Authentication::Fail,
        _ => Authentication::None,
    })
}

/// Words in lower case; `;` and `=` stand alone, comments are gone, quotes opened.
fn words(value: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let (mut depth, mut quoted) = (0_usize, false);
    let mut symbols = value.chars();
    while let Some(symbol) = symbols.next() {
        let word = words.last_mut();
        match symbol {
            '\\' if quoted || depth > 0 => {
                let escaped = symbols.next();
                if let (Some(word), Some(escaped), 0) = (word, escaped, depth) {
                    word.push(escaped);
                }
            }
            '"' if depth == 0 => quoted = !quoted,
            _ if quoted => word.into_iter().for_each(|word| word.push(symbol)),
            '(' => depth += 1,
            ')' if depth > 0 => {
                depth -= 1;
                words.push(String::new());
            }
            _ if depth > 0 => {}
            ';' | '=' => words.extend([symbol.to_string(), String::new()]),
            _ if symbol.is_whitespace() => words.push(String::new()),
            _ => word.into_iter().for_each(|word| word.extend(symbol.to_lowercase())),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(results: &str) -> Authentication {
        with_from(results, "From: Ana <ana@example.org>")
    }

    fn with_from(results: &str, from: &str) -> Authentication {
        let mail = format!("{results}\r\n{from}\r\n\r\n");
        verdict(&Headers::read(mail.as_bytes()).0, Some("ana@example.org"))
    }

    #[test]
    fn our_receivers_verdict_is_read_through_comments_quotes_and_folds() {
        for pass in [
            "mx.google.com; dmarc=pass header.from=example.org",
            "MX.google.com 1;\r\n dkim=pass (a; dmarc=fail) header.i=@x;\r\n DMARC = pass (p=NONE (sp=NONE)) header.from=Example.org",
            "(x) mx.google.com; spf=fail reason=\"a; dmarc=fail\"; dmarc/1=pass",
            "mx.google.com; dmarc=pass header.from=ana@example.org",
        ] {
            assert_eq!(
                of(&format!("Authentication-Results: {pass}")),
                Authentication::Pass,
                "{pass}"
            );
        }
        for none in [
            "mx.google.com; none",
            "mx.google.com",
            "",
            "mx.google.com.example.org; dmarc=pass",
            "mx.example.org; dmarc=pass",
            "mx.google.com; spf=pass; dkim=pass",
            "mx.google.com; xdmarc=pass; x-dmarc=pass",
            "mx.google.com; dmarc=bestguesspass",
            "mx.google.com; dmarc=pass header.from=example.com",
            "mx.google.com; (dmarc=pass)",
            "mx.google.com; spf=fail reason=\"x; dmarc=pass\"",
        ] {
            assert_eq!(
                of(&format!("Authentication-Results: {none}")),
                Authentication::None,
                "{none}"
            );
        }
        let both =
            "Authentication-Results: mx.google.com; dmarc=pass; dmarc=fail header.from=example.org";
        assert_eq!(of(both), Authentication::Fail);
    }

    #[test]
    fn a_result_below_a_foreign_host_or_the_writers_own_fields_does_not_count() {
        let pass = "Authentication-Results: mx.google.com; dmarc=pass header.from=example.org";

        assert_eq!(
            of(&format!(
                "Received: by 2001:db8::1 with SMTP\r\nReceived: from a by mx.google.com\r\n{pass}"
            )),
            Authentication::Pass
        );
        assert_eq!(
            of(&format!("Received: from a by mx.example.org with ESMTP\r\n{pass}")),
            Authentication::None
        );
        assert_eq!(of(&format!("Subject: x\r\n{pass}")), Authentication::None);
        assert_eq!(
            of(&format!("Authentication-Results: mx.example.org; dmarc=fail\r\n{pass}")),
            Authentication::None
        );
    }

    #[test]
    fn two_senders_are_never_proven() {
        let pass = "Authentication-Results: mx.google.com; dmarc=pass header.from=example.org";

        assert_eq!(with_from(pass, "From: ana@example.org, bob@example.org"), Authentication::None);
        assert_eq!(
            with_from(pass, "From: ana@example.org\r\nFrom: bob@example.org"),
            Authentication::None
        );
        assert_eq!(
            with_from(&pass.replace("=pass", "=fail"), "From: ana@example.org, b@example.org"),
            Authentication::Fail
        );
    }

    proptest! {
        #[test]
        fn no_authentication_results_can_break_the_reader(value in "\\PC{0,200}", soup in "[a-z;=()\"\\\\ .@/\r\n\t]{0,200}") {
            for value in [value, soup] {
                let found = of(&format!("Authentication-Results: mx.google.com; {value}"));
                prop_assert!(value.to_lowercase().contains("dmarc") || found == Authentication::None);
                prop_assert_eq!(of(&format!("Authentication-Results: mx.example.org; {value}")), Authentication::None);
            }
        }

        #[test]
        fn nothing_inside_a_comment_or_quotes_is_a_verdict(inside in "[a-z;= .]{0,40}") {
            for value in [format!("x=y ({inside}; dmarc=pass)"), format!("x=\"{inside}; dmarc=pass\"")] {
                prop_assert_eq!(of(&format!("Authentication-Results: mx.google.com; {value}")), Authentication::None);
            }
        }
    }
}
