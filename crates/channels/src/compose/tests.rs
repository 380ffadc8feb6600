//! Mails as a reader of mail sees them.

use mail_parser::{Message, MessageParser};
use proptest::prelude::*;

use super::*;

fn delivery() -> DeliveryId {
    DeliveryId::named("reply-1")
}

fn ticket() -> TicketRef {
    "TF-20260105-7K3Q".parse().unwrap()
}

fn mail<'a>(ticket_ref: &'a TicketRef, references: &'a [String]) -> Mail<'a> {
    Mail {
        delivery_id: delivery(),
        from_name: "Support",
        from: "support@example.com",
        to: "ana@example.org",
        reply_to: None,
        ticket_ref: Some(ticket_ref),
        shows_ref: true,
        subject: Subject::ReplyTo("Order 42"),
        in_reply_to: Some("orig-1@example.org"),
        references,
        auto_submitted: AutoSubmitted::Replied,
        headers: &[],
        date: DateTime::from_timestamp(1_767_605_400, 0).unwrap(),
        text: "Hola ¿qué tal?\n",
    }
}

fn written(change: impl FnOnce(&mut Mail<'_>)) -> String {
    let ticket_ref = ticket();
    let references = ["first@example.org".to_owned(), "second@example.org".to_owned()];
    let mut mail = mail(&ticket_ref, &references);
    change(&mut mail);
    String::from_utf8(compose(&mail).unwrap()).unwrap()
}

fn parsed(text: &str) -> Message<'_> {
    MessageParser::new().parse(text).unwrap()
}

/// Names of headers in their order, folded lines belonging to the one before.
fn header_names(text: &str) -> Vec<&str> {
    let (head, _) = text.split_once("\r\n\r\n").unwrap();
    let lines = head.split("\r\n").filter(|line| !line.starts_with([' ', '\t']));
    lines.map(|line| line.split_once(':').unwrap().0).collect()
}

#[test]
fn a_reply_has_the_headers_by_which_it_threads_and_is_recognised() {
    let text = written(|_| {});
    let mail = parsed(&text);
    let header = |name: &'static str| mail.header_raw(name).unwrap().trim();

    assert_eq!(header("From"), "\"Support\" <support@example.com>");
    assert_eq!(header("To"), "<ana@example.org>");
    assert_eq!(mail.subject(), Some("Re: [TF-20260105-7K3Q] Order 42"));
    assert_eq!(header("In-Reply-To"), "<orig-1@example.org>");
    assert_eq!(
        mail.references().as_text_list().unwrap(),
        ["first@example.org", "second@example.org", "orig-1@example.org"]
    );
    assert_eq!(header("Message-ID"), format!("<{}@example.com>", delivery()));
    assert_eq!(header(DELIVERY_HEADER), delivery().to_string());
    assert_eq!(header(TICKET_HEADER), "TF-20260105-7K3Q");
    assert_eq!(header("Auto-Submitted"), "auto-replied");
    assert_eq!(header("X-Auto-Response-Suppress"), "All");
    assert_eq!(header("Date"), "Mon, 5 Jan 2026 09:30:00 +0000");
    assert!(header("Content-Type").contains("text/plain"));
    assert!(header("Content-Type").contains("utf-8"));
    assert_eq!(mail.body_text(0).unwrap().trim_end(), "Hola ¿qué tal?");
    assert!(mail.header("Precedence").is_none() && mail.header("Cc").is_none());
}

#[test]
fn a_persons_reply_says_nothing_of_a_program() {
    let text = written(|mail| mail.auto_submitted = AutoSubmitted::No);

    assert!(!text.contains("Auto-Submitted") && !text.contains("Suppress"), "{text}");
}

#[test]
fn a_mail_that_answers_none_has_its_own_subject_and_may_name_where_answers_go() {
    let text = written(|mail| {
        mail.subject = Subject::New("[billing] Re: x");
        mail.in_reply_to = None;
        mail.reply_to = Some("support@example.com");
        mail.auto_submitted = AutoSubmitted::Generated;
        mail.headers = &[("X-Support-Escalation-Id", "7")];
    });
    let mail = parsed(&text);

    assert_eq!(mail.subject(), Some("[TF-20260105-7K3Q] [billing] Re: x"));
    assert_eq!(mail.header_raw("Reply-To").unwrap().trim(), "<support@example.com>");
    assert_eq!(mail.header_raw("Auto-Submitted").unwrap().trim(), "auto-generated");
    assert_eq!(mail.header_raw("X-Support-Escalation-Id").unwrap().trim(), "7");
}

#[test]
fn a_subject_without_the_ticket_keeps_it_in_its_header() {
    let text = written(|mail| mail.shows_ref = false);

    assert_eq!(parsed(&text).subject(), Some("Re: Order 42"));
    assert!(text.contains("\r\nX-Support-Ticket: TF-20260105-7K3Q\r\n"));
}

#[test]
fn without_a_message_id_a_reply_has_no_thread_headers() {
    let text = written(|mail| mail.in_reply_to = None);

    assert!(!text.contains("References") && !text.contains("In-Reply-To"), "{text}");
}

#[test]
fn of_many_references_the_first_and_the_last_stay_on_short_lines() {
    let ids: Vec<String> = (0..50).map(|n| format!("{n}-{}@example.org", "x".repeat(60))).collect();
    let ticket_ref = ticket();
    let text = String::from_utf8(compose(&mail(&ticket_ref, &ids)).unwrap()).unwrap();
    let mail = parsed(&text);
    let kept = mail.references().as_text_list().unwrap().to_vec();

    assert_eq!(kept.len(), MOST_REFERENCES);
    assert_eq!(kept[0], ids[0]);
    assert_eq!(kept[1..19], ids[32..]);
    assert_eq!(kept[19], "orig-1@example.org");
    assert!(text.lines().all(|line| line.len() <= 998));
}

#[test]
fn base_subjects_are_those_of_rfc_5256() {
    for (subject, base) in [
        ("Order 42", "Order 42"),
        ("Re: Order 42", "Order 42"),
        ("RE : re:RE: Order 42", "Order 42"),
        ("Fwd: Fw: Order 42 (fwd) (FWD)", "Order 42"),
        ("[list] Re: [TF-20260105-7K3Q] Order 42", "Order 42"),
        ("Re[2]: Order 42", "Order 42"),
        ("Re(3): Order 42", "Order 42"),
        ("[Fwd: Re: Order 42]", "Order 42"),
        ("AW: WG: SV: Antw: Order 42", "Order 42"),
        ("回复：Order 42", "Order 42"),
        ("[only]", "[only]"),
        ("Re:", ""),
        ("", ""),
        ("Regarding: my order", "Regarding: my order"),
        ("I need help: now", "I need help: now"),
        ("Order\r\n 42\t now", "Order 42 now"),
        ("[open", "[open"),
    ] {
        assert_eq!(base_subject(subject), base, "{subject}");
    }
}

#[test]
fn prefixes_never_stack_however_often_both_sides_answer() {
    let ticket_ref = ticket();
    let mut subject = "Order 42".to_owned();
    for program in ["Re: ", "AW: ", "SV: ", "Fwd: "] {
        let ours = subject::written(Subject::ReplyTo(&subject), Some(&ticket_ref));
        assert_eq!(ours, "Re: [TF-20260105-7K3Q] Order 42");
        subject = format!("{program}{ours}");
    }
}

#[test]
fn an_address_that_is_more_than_one_is_refused() {
    let ticket_ref = ticket();
    for to in [
        "",
        "ana",
        "@example.org",
        "ana@",
        "a@b@example.org",
        "ana@example.org,eve@example.net",
        "ana@example.org\r\nBcc: eve@example.net",
        "Ana <ana@example.org>",
        "ana @example.org",
        "\"ana\"@example.org",
    ] {
        let mail = Mail { to, ..mail(&ticket_ref, &[]) };
        assert_eq!(compose(&mail), Err(Unwritable::Address), "{to}");
    }
    let empty = Mail { text: " \n\0", ..mail(&ticket_ref, &[]) };
    assert_eq!(compose(&empty), Err(Unwritable::NoText));
}

/// Texts that want to be a header.
fn hostile() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[\r\n\t \0a-z:<>@,;\"\\\\]{0,40}",
        Just("x\r\nBcc: eve@example.net\r\n\r\nx".to_owned()),
        Just("x\nBcc: eve@example.net".to_owned()),
        Just("=?utf-8?q?=0D=0ABcc:_eve@example.net?=".to_owned()),
    ]
}

proptest! {
    #[test]
    fn nothing_in_a_mail_becomes_a_header(
        name in hostile(),
        subject in hostile(),
        id in hostile(),
        references in proptest::collection::vec(hostile(), 0..40),
        text in hostile(),
    ) {
        let ticket_ref = ticket();
        let text = format!("{text}x");
        let mail = Mail {
            from_name: &name,
            subject: Subject::ReplyTo(&subject),
            in_reply_to: Some(&id),
            headers: &[("X-Support-Escalation-Id", &name)],
            text: &text,
            ..mail(&ticket_ref, &references)
        };

        let written = String::from_utf8(compose(&mail).unwrap()).unwrap();

        let names = header_names(&written);
        let mut once = names.clone();
        once.sort_unstable();
        once.dedup();
        prop_assert_eq!(once.len(), names.len(), "no header twice: {:?}", names);
        prop_assert!(!names.iter().any(|name| name.eq_ignore_ascii_case("bcc")));
        prop_assert!(!names.iter().any(|name| name.eq_ignore_ascii_case("cc")));
        let lines = written.split("\r\n");
        prop_assert!(lines.clone().all(|line| line.len() <= 998 && !line.contains(['\r', '\n'])));
        let read = parsed(&written);
        let to: Vec<_> = read.to().unwrap().iter().filter_map(|to| to.address()).collect();
        prop_assert_eq!(to, ["ana@example.org"]);
    }

    #[test]
    fn subject_and_text_come_back(
        subject in "[ -~äöüßéñ漢字🎉]{0,250}",
        text in "([ -~äöüßéñ漢字🎉]{0,120}\n){1,20}",
    ) {
        prop_assume!(!text.trim().is_empty());
        let ticket_ref = ticket();
        let mail = Mail {
            subject: Subject::ReplyTo(&subject),
            text: &text,
            ..mail(&ticket_ref, &[])
        };

        let written = String::from_utf8(compose(&mail).unwrap()).unwrap();

        let read = parsed(&written);
        let base: String = base_subject(&subject).chars().take(200).collect();
        let expected = format!("Re: [TF-20260105-7K3Q] {base}");
        prop_assert_eq!(read.subject().unwrap(), expected.trim_end());
        let body = read.body_text(0).unwrap().replace("\r\n", "\n");
        prop_assert_eq!(body.trim_end_matches('\n'), text.trim_end_matches('\n'));
    }
}
