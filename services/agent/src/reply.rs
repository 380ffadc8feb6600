//! A reply as its conversation's channel shows it. Pure.

use channels::{Content, email_reply, web_form, whatsapp};
use contract::Channel;

use crate::log::Inputs;
use crate::policy::Policy;

/// The messages that a reply is sent as, in their order.
pub(crate) fn format_reply(
    policy: &Policy,
    inputs: &Inputs,
    opening: &str,
    body: &str,
    closing: &str,
    source: &str,
) -> Vec<String> {
    let content = Content {
        name: &inputs.customer_name,
        ticket_ref: &inputs.ticket_ref,
        opening,
        body,
        closing,
        source,
    };
    match inputs.channel {
        Channel::WebForm => {
            let frame = &policy.replies.web_form.frame;
            let frame = web_form::Frame {
                greeting: &frame.greeting,
                greeting_without_name: &frame.greeting_without_name,
                reference: &frame.reference,
                contact: &frame.contact,
                signature: &frame.signature,
                max_words: frame.max_words,
            };
            vec![web_form::format(&frame, &content)]
        }
        Channel::Email => {
            let frame = &policy.replies.email.frame;
            let frame = email_reply::Frame {
                greeting: &frame.greeting,
                greeting_without_name: &frame.greeting_without_name,
                signature: &frame.signature,
                max_words: frame.max_words,
            };
            vec![email_reply::format(&frame, &content)]
        }
        Channel::Whatsapp => {
            let frame = &policy.replies.whatsapp.frame;
            let frame = whatsapp::Frame {
                greeting: &frame.greeting,
                greeting_without_name: &frame.greeting_without_name,
                reference: &frame.reference,
                cut: &frame.cut,
                max_body: frame.max_body,
                preferred: frame.preferred,
                emoji: &frame.emoji,
                max_emoji: frame.max_emoji,
            };
            whatsapp::format(&frame, &content)
        }
    }
}
