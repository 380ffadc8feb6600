//! Checks what `replies.yaml` says: bounds, placeholders, and our own guard.

use contract::Category;

use crate::policy::files::{RepliesFile, Texts};
use crate::policy::load::wrong;
use crate::policy::{Guard, PolicyError};

const FILE: &str = "replies.yaml";

impl RepliesFile {
    /// Every channel's texts, with the name of their section.
    fn sections(&self) -> [(&'static str, &Texts); 3] {
        [
            ("web_form", &self.web_form.texts),
            ("whatsapp", &self.whatsapp.texts),
            ("email", &self.email.texts),
        ]
    }
}

/// What the product itself says must pass its own guard.
pub(super) fn check_own_texts(replies: &RepliesFile, guard: &Guard) -> Result<(), PolicyError> {
    let frames = [
        ("web_form.frame.contact", &replies.web_form.frame.contact),
        ("whatsapp.frame.cut", &replies.whatsapp.frame.cut),
        ("email.frame.signature", &replies.email.frame.signature),
    ];
    let named = replies
        .sections()
        .into_iter()
        .flat_map(|(channel, texts)| own_texts(channel, texts))
        .chain(frames.map(|(field, text)| (field.to_owned(), text)));
    for (field, text) in named {
        if guard.refuses(text).is_some() || guard.clean(text) != *text {
            return Err(wrong(FILE, field, "says what guard.yaml forbids"));
        }
    }
    Ok(())
}

/// A channel's texts with the names of their fields.
fn own_texts<'a>(channel: &str, texts: &'a Texts) -> Vec<(String, &'a String)> {
    let short = &texts.short;
    let fixed = [
        ("answer.opening", &texts.answer.opening),
        ("answer.closing", &texts.answer.closing),
        ("hand_over.takes_over", &texts.hand_over.takes_over),
        ("hand_over.failed", &texts.hand_over.failed),
        ("short.greeting", &short.greeting),
        ("short.thanks", &short.thanks),
        ("short.praise", &short.praise),
        ("short.feedback", &short.feedback),
        ("short.wish", &short.wish),
        ("short.empty", &short.empty),
        ("short.wordless", &short.wordless),
        ("holding", &texts.holding),
        ("person_notice", &texts.person_notice),
    ];
    let acknowledgements = texts.hand_over.acknowledgement.iter();
    acknowledgements
        .map(|(category, text)| (format!("hand_over.acknowledgement.{category}"), text))
        .chain(fixed.map(|(field, text)| (field.to_owned(), text)))
        .map(|(field, text)| (format!("{channel}.texts.{field}"), text))
        .collect()
}

pub(super) fn check(replies: &RepliesFile) -> Result<(), PolicyError> {
    let (web, whatsapp) = (&replies.web_form.frame, &replies.whatsapp.frame);
    let email = &replies.email.frame;
    let bounds = [
        ("web_form.frame.max_words", web.max_words, 100..=2_000),
        ("whatsapp.frame.max_body", whatsapp.max_body, 300..=5_000),
        ("whatsapp.frame.preferred", whatsapp.preferred, 100..=1_550),
        ("email.frame.max_words", email.max_words, 100..=2_000),
    ];
    for (field, value, allowed) in bounds {
        if !allowed.contains(&value) {
            let problem = format!("is not between {} and {}", allowed.start(), allowed.end());
            return Err(wrong(FILE, field, problem));
        }
    }
    // A message's footing is short where messages are: the chunk stands in the log.
    let source = ["{title}", "{chunk}", "{version}"];
    let needed = [
        ("web_form.frame.greeting", &web.greeting, &["{name}"][..]),
        ("web_form.frame.reference", &web.reference, &["{ref}"]),
        ("web_form.texts.answer.source", &replies.web_form.texts.answer.source, &source),
        ("whatsapp.frame.greeting", &whatsapp.greeting, &["{name}"]),
        ("whatsapp.frame.reference", &whatsapp.reference, &["{ref}"]),
        ("email.frame.greeting", &email.greeting, &["{name}"]),
        ("email.texts.answer.source", &replies.email.texts.answer.source, &source),
    ];
    for (field, text, placeholders) in needed {
        check_placeholders(field, text, placeholders)?;
    }
    replies.sections().into_iter().try_for_each(|(channel, texts)| check_texts(channel, texts))
}

fn check_texts(channel: &str, texts: &Texts) -> Result<(), PolicyError> {
    let missing = Category::ALL
        .iter()
        .find(|category| !texts.hand_over.acknowledgement.contains_key(category));
    if let Some(category) = missing {
        let field = format!("{channel}.texts.hand_over.acknowledgement.{category}");
        return Err(wrong(FILE, field, "is missing"));
    }
    let needed = [
        ("answer.source", &texts.answer.source, &["{title}"] as &[&str]),
        ("hand_over.takes_over", &texts.hand_over.takes_over, &["{person}", "{time}"]),
        ("short.wordless", &texts.short.wordless, &["{what}"]),
        ("person_notice", &texts.person_notice, &["{person}"]),
    ];
    for (field, text, placeholders) in needed {
        check_placeholders(&format!("{channel}.texts.{field}"), text, placeholders)?;
    }
    Ok(())
}

fn check_placeholders(field: &str, text: &str, needed: &[&str]) -> Result<(), PolicyError> {
    match needed.iter().find(|name| !text.contains(**name)) {
        Some(missing) => Err(wrong(FILE, field, format!("lacks {missing}"))),
        None => Ok(()),
    }
}
