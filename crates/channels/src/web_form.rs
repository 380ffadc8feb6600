//! A reply as the web form's status page shows it: plain text, framed, bounded.

use crate::content::{Content, name};
use crate::letter::letter;
use crate::plain::plain;

/// The fixed parts of a reply, from the policy.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// With `{name}`.
    pub greeting: &'a str,
    pub greeting_without_name: &'a str,
    /// With `{ref}`.
    pub reference: &'a str,
    pub contact: &'a str,
    pub signature: &'a str,
    pub max_words: usize,
}

/// The whole reply.
pub fn format(frame: &Frame<'_>, content: &Content<'_>) -> String {
    let greeting = match name(content.name) {
        Some(name) => frame.greeting.replace("{name}", &name),
        None => frame.greeting_without_name.to_owned(),
    };
    let reference = frame.reference.replace("{ref}", content.ticket_ref.as_str());
    let head = format!("{greeting}\n{reference}");
    let body = plain(content.body);
    let content = Content { body: &body, ..*content };
    letter(&head, &content, &[frame.contact, frame.signature], frame.max_words)
}

#[cfg(test)]
mod tests {
    use contract::TicketRef;
    use proptest::prelude::*;

    use super::*;
    use crate::plain::words;

    const FRAME: Frame<'_> = Frame {
        greeting: "Hi {name},",
        greeting_without_name: "Hello,",
        reference: "Your ticket: {ref}",
        contact: "Write to us on this ticket's page.",
        signature: "— TaskFlow Support Team",
        max_words: 300,
    };

    fn ticket_ref() -> TicketRef {
        "TF-20260105-7K3Q".parse().unwrap()
    }

    fn reply(name: &str, body: &str) -> String {
        let content = Content {
            name,
            ticket_ref: &ticket_ref(),
            opening: "Thank you for your question.",
            body,
            closing: "Tell us if this does not settle it.",
            source: "Source: Export (export#csv v1)",
        };
        format(&FRAME, &content)
    }

    #[test]
    fn a_reply_has_its_greeting_reference_body_source_contact_and_signature_in_order() {
        assert_eq!(
            reply("Sam Doe", "1. Open the menu.\n2. Choose **Export**."),
            "Hi Sam Doe,\nYour ticket: TF-20260105-7K3Q\n\nThank you for your question.\n\n\
             1. Open the menu.\n2. Choose Export.\n\nTell us if this does not settle it.\n\n\
             Source: Export (export#csv v1)\n\nWrite to us on this ticket's page.\n\n\
             — TaskFlow Support Team"
        );
    }

    #[test]
    fn a_name_that_is_a_text_gives_a_neutral_greeting() {
        for typed in ["", "  ", "👋", "www.win-money.example", "cheap.example", "Sam <b>", "+1 555"]
        {
            assert!(reply(typed, "x").starts_with("Hello,\n"), "{typed}");
        }
        for typed in ["Sam", "Ana María Pérez", "J. R. O’Neil", "李雷", "  Sam   Doe "] {
            assert!(reply(typed, "x").starts_with("Hi "), "{typed}");
        }
        assert!(reply(&"very ".repeat(20), "x").starts_with("Hello,\n"));
    }

    #[test]
    fn a_long_body_is_cut_at_whole_lines_and_sentences() {
        let steps: String =
            (1..60).map(|n| format!("{n}. Press the button once. Wait.\n")).collect();
        let long = reply("Sam", &steps);

        assert!(words(&long) <= 300);
        let last_step = long.lines().rfind(|line| line.contains("Press")).unwrap();
        assert!(last_step.ends_with('.'), "{last_step}");
        assert!(long.ends_with("— TaskFlow Support Team"));
    }

    proptest! {
        #[test]
        fn no_reply_is_over_its_length_or_loses_a_fixed_part(
            name in ".{0,60}", body in "(?s).{0,3000}", lines in prop::collection::vec("[a-z .]{0,90}", 0..60)
        ) {
            for body in [body, lines.join("\n")] {
                let reply = reply(&name, &body);

                prop_assert!(words(&reply) <= 300);
                prop_assert!(reply.starts_with("Hi ") || reply.starts_with("Hello,\n"));
                prop_assert!(reply.contains("\nYour ticket: TF-20260105-7K3Q\n"));
                prop_assert!(reply.contains("Source: Export (export#csv v1)"));
                prop_assert!(reply.ends_with("— TaskFlow Support Team"));
                prop_assert!(!reply.chars().any(|symbol| symbol.is_control() && symbol != '\n'));
            }
        }

        #[test]
        fn a_short_list_keeps_every_step(count in 1_usize..20) {
            let steps: Vec<String> = (1..=count).map(|n| format!("{n}. Press the button.")).collect();
            let reply = reply("Sam", &steps.join("\n"));

            for step in steps {
                prop_assert!(reply.lines().any(|line| line == step));
            }
        }
    }
}
