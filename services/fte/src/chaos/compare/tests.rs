//! The comparator is proven by records made wrong on purpose.

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use super::*;
use crate::chaos::load::Taken;

fn uuid(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn sent_message(number: usize) -> Sent {
    Sent {
        tag: format!("[s1c0m{number}]"),
        channel: Channel::Whatsapp,
        is_confirmed: true,
        is_ordered: true,
        tries: 1,
    }
}

fn stored_message(number: i64) -> StoredMessage {
    StoredMessage {
        id: Uuid::new_v4(),
        conversation_id: uuid(1),
        seq: number + 1,
        channel: "whatsapp".to_owned(),
        body: format!("hello [s1c0m{number}]"),
        outcome: Some("answered".to_owned()),
        owner: "agent".to_owned(),
        status: "open".to_owned(),
    }
}

fn entry(number: u128) -> Entry {
    Entry {
        id: uuid(number),
        conversation_id: uuid(1),
        outlet: "whatsapp".to_owned(),
        author: "agent".to_owned(),
        owner_epoch: 0,
        reply_id: uuid(number),
        part: 0,
        state: "delivered".to_owned(),
        last_error: None,
        provider_id: Some(format!("SM{number}")),
        position: i64::try_from(number).unwrap(),
        started_at: Some(instant(number)),
        draft_id: None,
        resends: 0,
    }
}

fn instant(seconds: u128) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(i64::try_from(seconds).unwrap())
}

fn send(number: u128) -> ProviderSend {
    let at = instant(number);
    ProviderSend { id: format!("SM{number}"), delivery: Some(uuid(number)), to: "+1".into(), at }
}

/// Two messages, two replies, and three records that agree.
fn truths() -> Truths {
    Truths {
        told: vec![Told { sent: vec![sent_message(0), sent_message(1)], ..Told::default() }],
        stored: vec![stored_message(0), stored_message(1)],
        outlets: vec![Outlet {
            entries: vec![entry(2), entry(3)],
            sends: vec![send(2), send(3)],
            ledger: Ledger::default(),
        }],
        ..Truths::default()
    }
}

fn breaches(mut truths: Truths) -> Vec<String> {
    for outlet in &mut truths.outlets {
        outlet.ledger = ledger::balance(&outlet.entries, &outlet.sends, &HashSet::new());
    }
    judge(&truths).into_iter().flat_map(|judged| judged.breaches).collect()
}

#[test]
fn records_that_agree_have_no_breach() {
    assert_eq!(breaches(truths()), Vec::<String>::new());
}

#[test]
fn a_message_removed_from_the_providers_record_or_doubled_in_it_is_found() {
    let (mut removed, mut doubled) = (truths(), truths());
    removed.outlets[0].sends.remove(0);
    doubled.outlets[0].sends.push(ProviderSend { id: "SM9".to_owned(), ..send(3) });

    assert!(breaches(removed)[0].ends_with("was never sent"));
    assert!(breaches(doubled)[0].contains("was sent 2 times"));
}

#[test]
fn a_message_lost_doubled_or_invented_in_the_tables_is_found() {
    let (mut lost, mut doubled, mut invented) = (truths(), truths(), truths());
    lost.stored.remove(1);
    doubled.stored.push(stored_message(1));
    invented.stored.push(stored_message(7));

    assert_eq!(breaches(lost), ["[s1c0m1] is lost"]);
    assert_eq!(breaches(doubled), ["[s1c0m1] is stored 2 times"]);
    assert!(breaches(invented)[0].ends_with("was never sent"));
}

#[test]
fn what_was_never_confirmed_may_be_missing_but_not_twice() {
    let (mut missing, mut twice) = (truths(), truths());
    for truths in [&mut missing, &mut twice] {
        truths.told[0].sent[1].is_confirmed = false;
    }
    missing.stored.remove(1);
    twice.stored.push(stored_message(1));

    assert_eq!(breaches(missing), Vec::<String>::new());
    assert_eq!(breaches(twice), ["[s1c0m1] is stored 2 times"]);
}

#[test]
fn messages_and_replies_in_another_order_are_found() {
    let (mut messages, mut replies) = (truths(), truths());
    messages.stored[0].seq = 9;
    replies.outlets[0].sends.swap(0, 1);

    assert_eq!(breaches(messages), ["[s1c0m1] stands before an older one"]);
    assert!(breaches(replies)[0].ends_with("came after a later one"));
}

#[test]
fn an_open_message_is_found_unless_it_waits_for_a_person() {
    let (mut open, mut waiting) = (truths(), truths());
    open.stored[1].outcome = None;
    waiting.stored[1].outcome = None;
    waiting.stored[1].owner = "person".to_owned();

    assert_eq!(breaches(open), ["[s1c0m1] has no outcome"]);
    assert_eq!(breaches(waiting), Vec::<String>::new());
}

#[test]
fn a_send_after_take_has_answered_is_found_unless_the_answer_named_it() {
    let taken = Taken {
        conversation: uuid(1),
        owner_epoch: 1,
        answered_at: DateTime::UNIX_EPOCH + TimeDelta::milliseconds(2_500),
        in_flight: Vec::new(),
    };
    let (mut late, mut named) = (truths(), truths());
    late.told[0].taken.push(taken.clone());
    named.told[0].taken.push(Taken { in_flight: vec![(uuid(3), 0)], ..taken });

    assert_eq!(breaches(late), [format!("delivery {} went after take had answered", uuid(3))]);
    assert_eq!(breaches(named), Vec::<String>::new());
}

#[test]
fn a_page_without_a_message_and_an_answered_automatic_mail_are_found() {
    let mut truths = truths();
    truths.pages = vec![(vec!["[s1c0m0]".to_owned()], json!({ "messages": [] }))];
    truths.told[0].silent = Some("+1".to_owned());

    let found = breaches(truths);

    assert!(found.iter().any(|text| text == "[s1c0m0] is shown 0 times on its page"));
    assert!(found.iter().any(|text| text == "SM2 answers an automatic mail"));
}

/// Records that agree, but for the delivery with number 3, of which nobody knows anything.
fn doubtful() -> Truths {
    let mut truths = truths();
    truths.outlets[0].sends.pop();
    truths.outlets[0].entries[1].state = "outcome_unknown".to_owned();
    truths
}

fn cut(from: u128, until: u128) -> Cut {
    Cut { from: instant(from), until: instant(until) }
}

#[test]
fn a_doubt_that_nothing_has_cut_off_is_found() {
    let found = breaches(doubtful());

    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with(&format!("nothing explains delivery {}", uuid(3))), "{found:?}");
}

#[test]
fn a_doubt_whose_dispatcher_died_or_froze_during_the_request_is_none() {
    // Its request was to start in second 3.
    for (cut, is_found) in [
        (cut(3, 3), false),
        (cut(34, 34), false),
        (cut(1, 4), false),
        (cut(1, 2), true),
        (cut(35, 35), true),
    ] {
        let truths = Truths { cuts: vec![cut], ..doubtful() };
        assert_eq!(breaches(truths).len(), usize::from(is_found), "{cut:?}");
    }
    let mut mail = Truths { cuts: vec![cut(99, 99)], ..doubtful() };
    mail.outlets[0].entries[1].outlet = "email".to_owned();
    assert_eq!(breaches(mail), Vec::<String>::new(), "its draft may be deleted that late");
}

#[test]
fn a_doubt_of_a_request_that_the_provider_left_unanswered_is_none_and_others_are() {
    let by_delivery = HashSet::from([uuid(3).to_string()]);
    let by_draft = HashSet::from(["r-3".to_owned()]);
    let of_another = HashSet::from([uuid(2).to_string()]);
    for (unanswered, count) in [(by_delivery, 0), (by_draft, 0), (of_another, 1)] {
        let mut truths = Truths { unanswered, ..doubtful() };
        truths.outlets[0].entries[1].draft_id = Some("r-3".to_owned());
        assert_eq!(breaches(truths).len(), count);
    }
}

#[test]
fn a_doubt_of_a_request_that_was_never_to_start_and_one_with_a_trace_are_found() {
    let cuts = vec![cut(0, 99)];
    let (mut unstarted, mut traced) =
        (Truths { cuts: cuts.clone(), ..doubtful() }, Truths { cuts, ..doubtful() });
    unstarted.outlets[0].entries[1].started_at = None;
    traced.outlets[0].sends.push(send(3));

    assert!(breaches(unstarted)[0].starts_with("nothing explains"));
    assert!(breaches(traced)[0].ends_with("was sent and stands as outcome_unknown"));
}
