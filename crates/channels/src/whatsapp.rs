//! A reply as WhatsApp shows it: short messages in its own markup, in their order. Pure.

use unicode_segmentation::UnicodeSegmentation as _;

use crate::content::{Content, first_name};
use crate::markup::markup;
use crate::plain::is_emoji;
use crate::split::{Limits, split, units};

/// The fixed parts of a reply and its bounds, from the policy.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// With `{name}`: the first name.
    pub greeting: &'a str,
    pub greeting_without_name: &'a str,
    /// With `{ref}`.
    pub reference: &'a str,
    /// Stands where the body was too long.
    pub cut: &'a str,
    /// Units of the body, over all messages.
    pub max_body: usize,
    /// Units of a message where it can be.
    pub preferred: usize,
    /// The only emoji that a reply may have, and how many of them.
    pub emoji: &'a [String],
    pub max_emoji: usize,
}

/// The provider refuses longer messages.
const HARD: usize = 1_600;

/// Room for the message's number among its siblings.
const NUMBER: usize = " (2/3)".len();

/// Left free below the hard limit: the provider's count may differ from ours.
const RESERVE: usize = 50;

/// A reply longer than this is a wall.
const MOST_PARTS: usize = 5;

/// The messages of the reply; none when it says nothing.
pub fn format(frame: &Frame<'_>, content: &Content<'_>) -> Vec<String> {
    let greeting = match first_name(content.name) {
        Some(name) => frame.greeting.replace("{name}", &name),
        None => frame.greeting_without_name.to_owned(),
    };
    let opening = format!("{greeting} {}", content.opening);
    let reference = frame.reference.replace("{ref}", content.ticket_ref.as_str());
    let (body, is_cut) = cut(&markup(content.body), frame.max_body);
    let more = if is_cut { frame.cut } else { "" };
    let last = [content.source, &reference].map(str::trim).join("\n");
    let paragraphs = [opening.trim(), body.trim(), more, content.closing, last.trim()];
    let shown: Vec<&str> =
        paragraphs.into_iter().map(str::trim).filter(|part| !part.is_empty()).collect();
    let text = with_few_emoji(&shown.join("\n\n"), frame);
    let limits = Limits {
        preferred: frame.preferred.saturating_sub(NUMBER),
        hard: HARD - RESERVE,
        parts: MOST_PARTS,
    };
    numbered(split(&text, limits))
}

/// A person's text in messages, as it is: nothing of it is cut.
pub fn messages(text: &str) -> Vec<String> {
    let whole = HARD - RESERVE;
    numbered(split(text, Limits { preferred: whole, hard: whole, parts: usize::MAX }))
}

/// The order of messages is not certain on the way, so each says which it is.
fn numbered(parts: Vec<String>) -> Vec<String> {
    let count = parts.len();
    if count < 2 {
        return parts;
    }
    let number = |(at, part): (usize, String)| {
        // A mark behind a code block's fence would be inside of it.
        let gap = if part.ends_with("```") { "\n" } else { " " };
        format!("{part}{gap}({}/{count})", at + 1)
    };
    parts.into_iter().enumerate().map(number).collect()
}

/// At most so many units, cut at its best place, and whether it was cut.
fn cut(body: &str, most: usize) -> (String, bool) {
    if units(body) <= most {
        return (body.to_owned(), false);
    }
    let mut parts = split(body, Limits { preferred: most, hard: most, parts: usize::MAX });
    let kept = if parts.is_empty() { String::new() } else { parts.swap_remove(0) };
    // A heading or a lead-in without what it announces helps nobody.
    let mut lines: Vec<&str> = kept.lines().collect();
    let announces = |line: &&str| line.trim().is_empty() || line.trim_end().ends_with(':');
    while lines.len() > 1 && lines.last().is_some_and(announces) {
        lines.pop();
    }
    (lines.join("\n"), true)
}

/// Without emoji but the first few of those allowed; judged by what is seen as one sign.
fn with_few_emoji(text: &str, frame: &Frame<'_>) -> String {
    let mut left = frame.max_emoji;
    let mut kept = String::with_capacity(text.len());
    for grapheme in text.graphemes(true) {
        let is_sign =
            grapheme.contains('\u{20E3}') || grapheme.chars().next().is_some_and(is_emoji);
        if !is_sign {
            if grapheme == "\n" || !grapheme.chars().all(char::is_control) {
                kept.push_str(grapheme);
            }
            continue;
        }
        let plain = grapheme.trim_end_matches('\u{FE0F}');
        if left > 0
            && frame.emoji.iter().any(|allowed| allowed.trim_end_matches('\u{FE0F}') == plain)
        {
            kept.push_str(grapheme);
            left -= 1;
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use contract::TicketRef;
    use proptest::prelude::*;

    use super::*;

    fn allowed() -> Vec<String> {
        ["✅", "👉", "👋", "🛠", "💡"].map(str::to_owned).into()
    }

    fn reply(name: &str, body: &str) -> Vec<String> {
        let emoji = allowed();
        let frame = Frame {
            greeting: "Hi {name}!",
            greeting_without_name: "Hi!",
            reference: "Ticket {ref}",
            cut: "There is more to it: just ask.",
            max_body: 3_000,
            preferred: 300,
            emoji: &emoji,
            max_emoji: 2,
        };
        let ticket_ref: TicketRef = "TF-20260105-7K3Q".parse().unwrap();
        let content = Content {
            name,
            ticket_ref: &ticket_ref,
            opening: "Here is how:",
            body,
            closing: "Shall we go through it step by step?",
            source: "Source: Export a board",
        };
        format(&frame, &content)
    }

    #[test]
    fn a_short_reply_is_one_message_with_first_name_body_offer_source_and_reference() {
        assert_eq!(
            reply("Ana María Pérez", "1. Open the **Board menu**.\n2. Choose *Export*."),
            ["Hi Ana! Here is how:\n\n1. Open the *Board menu*.\n2. Choose _Export_.\n\n\
              Shall we go through it step by step?\n\nSource: Export a board\nTicket TF-20260105-7K3Q"]
        );
        assert!(reply("www.win.example", "x")[0].starts_with("Hi! Here is how:"));
    }

    #[test]
    fn a_longer_reply_is_messages_of_about_300_that_say_which_they_are() {
        let steps: Vec<String> = (1..=16)
            .map(|step| format!("{step}. Press the button number {step} and wait."))
            .collect();

        let messages = reply("Ana", &steps.join("\n"));

        assert_eq!(messages.len(), 3);
        assert!(messages.iter().all(|message| units(message) <= 300), "{messages:?}");
        assert!(messages[0].ends_with(" (1/3)") && messages[2].ends_with(" (3/3)"));
        for step in steps {
            assert!(messages.iter().any(|message| message.contains(&step)), "{step}");
        }
    }

    #[test]
    fn a_wall_of_text_is_cut_with_a_line_that_says_so_and_keeps_its_frame() {
        let messages = reply("Ana", &"A sentence of the article. ".repeat(900));

        assert!(messages.len() <= 5);
        assert!(messages.iter().all(|message| units(message) <= HARD));
        let all = messages.join("\n");
        assert!(all.contains("There is more to it: just ask."));
        assert!(all.contains("Shall we go through it step by step?"));
        assert!(all.contains("Ticket TF-20260105-7K3Q"));
    }

    #[test]
    fn two_of_the_allowed_emoji_stay_and_no_other() {
        let [message] = &reply("Ana", "Done ✅ 🎉 👉🏽 look 👉 here 💡 👨‍👩‍👧‍👦 1️⃣ 🇫🇷")[..]
        else {
            panic!()
        };

        assert!(message.contains("Done ✅"), "{message}");
        assert_eq!(
            message.matches(['✅', '👉', '💡', '🎉', '🇫', '\u{20E3}', '\u{200D}']).count(),
            2
        );
    }

    #[test]
    fn a_persons_text_is_split_and_nothing_else() {
        assert_eq!(messages("Hello 🎉\n\n*bye*"), ["Hello 🎉\n\n*bye*"]);
        assert_eq!(messages(&"word ".repeat(400)).len(), 2);
        let long = messages(&"word ".repeat(4_000));
        assert_eq!(long.join(" ").matches("word").count(), 4_000);
        assert!(messages("  ").is_empty());
    }

    proptest! {
        #[test]
        fn no_message_is_over_the_limit_and_no_reply_loses_a_fixed_part(
            name in ".{0,60}", body in "(?s).{0,4000}", words in "[a-z*_#`. \n-]{0,4000}"
        ) {
            for body in [body, words] {
                let messages = reply(&name, &body);

                prop_assert!((1..=5).contains(&messages.len()));
                for message in &messages {
                    prop_assert!(units(message) <= HARD);
                    prop_assert!(!message.trim().is_empty());
                }
                let all = messages.join("\n");
                prop_assert!(messages[0].starts_with("Hi"));
                prop_assert!(all.contains("Ticket TF-20260105-7K3Q"));
                prop_assert!(all.contains("Source: Export a board"));
            }
        }
    }
}
