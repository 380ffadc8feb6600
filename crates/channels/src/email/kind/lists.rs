//! Rule 4: mail that came through a list, or was sent to many.

use contract::MailKind;

use super::{Case, Verdict};
use crate::email::headers::Headers;
use crate::email::lists::LISTS;

pub(super) fn has_header(headers: &Headers) -> bool {
    LISTS.list_headers.iter().any(|name| headers.has(name))
}

pub(super) fn of(case: &Case<'_>) -> Option<Verdict> {
    if LISTS.list_machines.iter().any(|name| case.headers.has(name)) {
        return Some((MailKind::List, "a list's software writes"));
    }
    // Our own group marks every customer's mail as a list's.
    if !has_header(case.headers) || case.sender.is_some_and(|sender| sender.is_through_our_group) {
        return None;
    }
    let only_unsubscribe =
        ["list-id", "list-post", "mailing-list"].iter().all(|name| !case.headers.has(name));
    if only_unsubscribe && (case.answers() || case.is_typed() && case.new.asks()) {
        return None;
    }
    if case.is_to_us_and_list() {
        return None;
    }
    Some((MailKind::List, "a list's headers"))
}

impl Case<'_> {
    /// A sales tool adds a way to unsubscribe to what people write with it; who sends to
    /// many answers nobody.
    fn answers(&self) -> bool {
        !self.headers.ids("in-reply-to").is_empty()
    }

    /// A person wrote to us and to a group, and the copy came through the group.
    fn is_to_us_and_list(&self) -> bool {
        let to: Vec<String> = ["to", "cc"]
            .iter()
            .flat_map(|name| self.headers.mailboxes(name))
            .map(|mailbox| mailbox.address)
            .collect();
        let lists = addresses(self.headers);
        let from = self.sender.map_or("", |sender| sender.mailbox.address.as_str());
        to.iter().any(|address| self.ourselves.is(address))
            && to.iter().any(|address| lists.contains(address))
            && !lists.iter().any(|list| list == from)
    }
}

/// The addresses of the list that a mail came through.
pub(in crate::email) fn addresses(headers: &Headers) -> Vec<String> {
    let mut found = Vec::new();
    // `name <crew.example.org>` is the list crew@example.org (RFC 2919 §2).
    for value in headers.all("list-id") {
        let id = value
            .rsplit_once('<')
            .map_or(value, |(_, id)| id)
            .trim()
            .trim_end_matches('>')
            .to_lowercase();
        found.extend(id.split_once('.').map(|(local, domain)| format!("{local}@{domain}")));
    }
    for value in headers.all("list-post") {
        let lower = value.to_lowercase();
        let address = lower.split_once("mailto:").map(|(_, rest)| rest);
        found
            .extend(address.and_then(|rest| rest.split(['>', '?', ' ']).next()).map(str::to_owned));
    }
    for value in headers.all("mailing-list") {
        let lower = value.to_lowercase();
        let list = lower.split([';', ' ', '\t']).find(|word| word.contains('@'));
        found.extend(list.filter(|_| lower.trim_start().starts_with("list ")).map(str::to_owned));
    }
    found
}
