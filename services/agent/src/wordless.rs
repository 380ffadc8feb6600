//! Messages that are a file, a place or a sign instead of words: what they are, in
//! words. A message is stored as it came, so what stands for it is made here, at every
//! reading; no address of a file is ever in it.

use contract::Channel;

use crate::log::Inputs;

/// Kinds of attachments and how a sentence calls them; those without a name say nothing
/// that needs an answer.
const NAMES: [(&str, &str); 10] = [
    ("image", "a picture"),
    ("audio", "a voice message"),
    ("video", "a video"),
    ("document", "a document"),
    ("sticker", ""),
    ("reaction", ""),
    ("location", "a location"),
    ("contacts", "a contact"),
    ("file", "a file"),
    ("other", "a file"),
];

/// The subject, where it is part of what was just said.
pub(crate) fn new_subject(inputs: &Inputs) -> Option<&str> {
    // A chat has none of its own; one that it has was made by the agent.
    let has_own = inputs.handled_seq == 0 && inputs.channel != Channel::Whatsapp;
    has_own.then_some(inputs.subject.as_str())
}

/// Whether neither a new subject nor any of the messages has a word.
pub(crate) fn is_wordless(inputs: &Inputs) -> bool {
    let bodies = inputs.messages.iter().map(|message| message.body.as_str());
    new_subject(inputs).into_iter().chain(bodies).all(|text| text.trim().is_empty())
}

/// What was sent beside words, such as "a picture and a location"; `None` when that is
/// nothing, or a sign only.
pub(crate) fn described(inputs: &Inputs) -> Option<String> {
    let mut names: Vec<&str> = Vec::new();
    for kind in inputs.messages.iter().flat_map(|message| &message.attachments) {
        let name = NAMES.iter().find(|(known, _)| known == kind).map_or("a file", |(_, name)| name);
        if !name.is_empty() && !names.contains(&name) {
            names.push(name);
        }
    }
    let (last, others) = names.split_last()?;
    Some(match others.is_empty() {
        true => (*last).to_owned(),
        false => format!("{} and {last}", others.join(", ")),
    })
}
