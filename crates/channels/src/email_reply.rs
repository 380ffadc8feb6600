//! A reply as a mail: formal, in plain text, with steps that are numbered and links in
//! full. Its subject, headers and quotes are not here.

use unicode_segmentation::UnicodeSegmentation as _;

use crate::content::{Content, first_name};
use crate::letter::letter;
use crate::plain::{plain_with_links, words};

/// The fixed parts of a reply, from the policy.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// With `{name}`: the first name.
    pub greeting: &'a str,
    pub greeting_without_name: &'a str,
    /// How it closes, with the team's name.
    pub signature: &'a str,
    pub max_words: usize,
}

/// Steps from which on they are numbered.
const FEWEST_STEPS: usize = 3;

/// A longer paragraph is divided.
const PARAGRAPH_WORDS: usize = 60;

/// First words that are no first name.
const TITLES: [&str; 12] =
    ["mr", "mrs", "ms", "miss", "mx", "dr", "prof", "sir", "madam", "herr", "frau", "the"];

/// The whole text of the mail.
pub fn format(frame: &Frame<'_>, content: &Content<'_>) -> String {
    let greeting = match addressed(content.name) {
        Some(name) => frame.greeting.replace("{name}", &name),
        None => frame.greeting_without_name.to_owned(),
    };
    let body = short_paragraphs(&steps(&plain_with_links(content.body)));
    let content = Content {
        opening: &plain_with_links(content.opening),
        body: &body,
        closing: &plain_with_links(content.closing),
        source: &plain_with_links(content.source),
        ..*content
    };
    letter(&greeting, &content, &[frame.signature], frame.max_words)
}

/// The name to write `Dear` before; an initial or a title alone is none.
fn addressed(typed: &str) -> Option<String> {
    let first = first_name(typed)?;
    let is_title = TITLES.contains(&first.to_lowercase().as_str());
    let is_whole = first.chars().count() > 1 && !first.ends_with('.') && !is_title;
    is_whole.then_some(first)
}

/// Steps from 3 up are numbered through; one or two are sentences of their own.
fn steps(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let mut kept: Vec<String> = Vec::with_capacity(lines.len());
    let mut at = 0;
    while let Some(line) = lines.get(at) {
        let rest = lines.get(at..).unwrap_or_default();
        if step(line).is_none() {
            kept.push((*line).to_owned());
            at += 1;
            continue;
        }
        let list = rest.get(..list_length(rest)).unwrap_or_default();
        kept.extend(numbered(list));
        at += list.len();
    }
    kept.join("\n")
}

/// The number and the words of a step.
fn step(line: &str) -> Option<(u32, &str)> {
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    let (number, rest) = line.split_at_checked(digits).filter(|_| (1..=2).contains(&digits))?;
    let said = rest.strip_prefix(". ").or_else(|| rest.strip_prefix(") "))?;
    Some((number.parse().ok()?, said))
}

/// Lines up to the last step of a list that begins here; what is indented or blank
/// between two steps belongs to it.
fn list_length(lines: &[&str]) -> usize {
    let goes_on = |line: &&&str| step(line).is_some() || line.is_empty() || line.starts_with(' ');
    let length = lines.iter().take_while(goes_on).count();
    let list = lines.get(..length).unwrap_or_default();
    length - list.iter().rev().take_while(|line| line.is_empty()).count()
}

fn numbered(list: &[&str]) -> Vec<String> {
    let numbers: Vec<u32> = list.iter().filter_map(|line| step(line)).map(|(n, _)| n).collect();
    let is_many = numbers.len() >= FEWEST_STEPS;
    // A list that goes on after something else keeps its numbers.
    let is_counted = numbers.is_sorted_by(|one, next| one < next);
    let mut place = 0;
    let line = |line: &&str| match step(line) {
        Some((number, said)) => {
            place += 1;
            match (is_many, is_counted) {
                (false, _) => said.to_owned(),
                (true, true) => format!("{number}. {said}"),
                (true, false) => format!("{place}. {said}"),
            }
        }
        None => (*line).to_owned(),
    };
    list.iter().map(line).collect()
}

/// Divides long paragraphs between sentences.
fn short_paragraphs(text: &str) -> String {
    let mut kept: Vec<String> = Vec::new();
    for line in text.lines() {
        let is_item = line.starts_with("- ") || line.starts_with(' ') || step(line).is_some();
        if is_item || words(line) <= PARAGRAPH_WORDS {
            kept.push(line.to_owned());
            continue;
        }
        let mut paragraph = String::new();
        for sentence in line.split_sentence_bounds() {
            if !paragraph.is_empty() && words(&paragraph) + words(sentence) > PARAGRAPH_WORDS {
                kept.extend([paragraph.trim_end().to_owned(), String::new()]);
                paragraph.clear();
            }
            paragraph.push_str(sentence);
        }
        kept.push(paragraph.trim_end().to_owned());
    }
    kept.join("\n")
}

#[cfg(test)]
mod tests {
    use contract::TicketRef;
    use proptest::prelude::*;

    use super::*;
    use crate::plain::is_emoji;

    const FRAME: Frame<'_> = Frame {
        greeting: "Dear {name},",
        greeting_without_name: "Hello,",
        signature: "Best regards,\nTaskFlow Support Team",
        max_words: 400,
    };

    fn reply(name: &str, body: &str) -> String {
        let ticket_ref: TicketRef = "TF-20260105-7K3Q".parse().unwrap();
        let content = Content {
            name,
            ticket_ref: &ticket_ref,
            opening: "Thank you for your question.",
            body,
            closing: "Please reply to this mail if that does not settle it. 🙂",
            source: "Source: Export a board",
        };
        format(&FRAME, &content)
    }

    #[test]
    fn a_mail_has_its_greeting_body_source_and_close_in_order() {
        assert_eq!(
            reply(
                "Ana María Pérez",
                "1. Open the **Board menu**.\n1. Choose `Export`.\n1. See [the page](https://taskflow.example/export)."
            ),
            "Dear Ana,\n\nThank you for your question.\n\n1. Open the Board menu.\n\
             2. Choose Export.\n3. See the page (https://taskflow.example/export).\n\n\
             Please reply to this mail if that does not settle it.\n\nSource: Export a board\n\n\
             Best regards,\nTaskFlow Support Team"
        );
    }

    #[test]
    fn a_name_that_is_none_or_odd_gives_a_neutral_greeting() {
        for odd in [
            "",
            "👋",
            "www.win-money.example",
            "J. R. O’Neil",
            "Dr. House",
            "Mr Smith",
            "X",
            "Ruiz, Ana",
        ] {
            assert!(reply(odd, "x").starts_with("Hello,\n\n"), "{odd}");
        }
        for (name, first) in [("Sam", "Sam"), ("  Zoë Doe ", "Zoë"), ("李雷", "李雷")] {
            assert!(reply(name, "x").starts_with(&format!("Dear {first},\n\n")), "{name}");
        }
    }

    #[test]
    fn three_steps_are_numbered_and_two_are_sentences() {
        let two = reply("Sam", "Do this:\n\n1. Open it.\n2. Close it.\n\nThat is all.");
        let three = reply("Sam", "1) One.\n   - more\n\n1) Two.\n1) Three.\n\n4. Four goes on.");
        let later = reply("Sam", "4. Four.\n5. Five.\n6. Six.");

        assert!(two.contains("Do this:\n\nOpen it.\nClose it.\n\nThat is all."), "{two}");
        let all = "1. One.\n   - more\n\n2. Two.\n3. Three.\n\n4. Four goes on.";
        assert!(three.contains(all), "{three}");
        assert!(later.contains("4. Four.\n5. Five.\n6. Six."), "{later}");
        assert!(reply("Sam", "2026. A year.").contains("2026. A year."));
    }

    #[test]
    fn a_long_paragraph_is_divided_between_sentences_and_nothing_of_it_is_lost() {
        let sentence = "This is one of the many sentences of the article. ";
        let long = reply("Sam", &sentence.repeat(20));

        let paragraphs: Vec<&str> = long.split("\n\n").collect();
        assert!(paragraphs.iter().all(|paragraph| words(paragraph) <= PARAGRAPH_WORDS));
        assert_eq!(long.matches("of the article.").count(), 20);
    }

    proptest! {
        #[test]
        fn no_mail_is_over_its_length_or_loses_a_fixed_part_or_has_a_sign(
            name in ".{0,60}", body in "(?s).{0,3000}",
            lines in prop::collection::vec("([0-9]{1,2}[.)] |- |  |)[a-z .*_\\[\\]()]{0,90}[👋✅]?", 0..60)
        ) {
            for body in [body, lines.join("\n")] {
                let mail = reply(&name, &body);

                prop_assert!(words(&mail) <= 400);
                prop_assert!(mail.starts_with("Dear ") || mail.starts_with("Hello,\n\n"));
                prop_assert!(mail.contains("\n\nSource: Export a board\n\n"));
                prop_assert!(mail.ends_with("\n\nBest regards,\nTaskFlow Support Team"));
                prop_assert!(!mail.chars().any(|symbol| symbol.is_control() && symbol != '\n'));
                prop_assert!(!mail.chars().any(is_emoji));
            }
        }

        #[test]
        fn a_short_list_keeps_every_step_and_its_number(count in 3_usize..20) {
            let steps: Vec<String> = (1..=count).map(|n| format!("{n}. Press the button.")).collect();
            let mail = reply("Sam", &steps.join("\n"));

            for step in steps {
                prop_assert!(mail.lines().any(|line| line == step));
            }
        }
    }
}
