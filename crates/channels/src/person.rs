//! What a person writes to a customer.

use contract::Channel;

use crate::whatsapp;

/// The words as they are, in as many messages as the channel needs.
pub fn person_parts(channel: Channel, text: &str) -> Vec<String> {
    match channel {
        Channel::Whatsapp => whatsapp::messages(text),
        Channel::Email | Channel::WebForm => vec![text.to_owned()],
    }
}
