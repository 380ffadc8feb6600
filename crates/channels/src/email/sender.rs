//! Whose mail it is, and where an answer goes.

use super::Ourselves;
use super::headers::{Headers, Mailbox};
use super::kind::{is_no_reply, list_addresses};

/// Who wrote a mail.
#[derive(Debug)]
pub(super) struct Sender {
    pub(super) mailbox: Mailbox,
    /// A group on our own address handed it on, perhaps under that address.
    pub(super) is_through_our_group: bool,
}

/// The first From; where there is none, who else says to have sent it.
pub(super) fn of(headers: &Headers, ourselves: &Ourselves) -> Option<Sender> {
    let first = |name: &str| headers.mailboxes(name).into_iter().next();
    let names = ["from", "sender", "resent-from", "reply-to", "return-path"];
    let mailbox = names.into_iter().find_map(first)?;
    let is_group = list_addresses(headers).iter().any(|list| ourselves.is(list));
    if !is_group || !ourselves.is(&mailbox.address) {
        return Some(Sender { mailbox, is_through_our_group: is_group });
    }
    // The group put itself into From, as the writer's DMARC policy wanted.
    let names = ["x-original-from", "reply-to", "x-original-sender"];
    let writer = names.into_iter().filter_map(first).find(|writer| !ourselves.is(&writer.address));
    Some(match writer {
        Some(mailbox) => Sender { mailbox, is_through_our_group: true },
        None => Sender { mailbox, is_through_our_group: false },
    })
}

/// The first Reply-To that is somebody else's than ours and takes answers; else the sender.
pub(super) fn reply_to(headers: &Headers, from: &str, ourselves: &Ourselves) -> String {
    let sane =
        |mailbox: &Mailbox| !ourselves.is(&mailbox.address) && !is_no_reply(&mailbox.address);
    let wished = headers.mailboxes("reply-to").into_iter().find(sane);
    wished.map_or_else(|| from.to_owned(), |mailbox| mailbox.address)
}
