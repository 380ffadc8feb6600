//! Sending in two steps.

use std::time::Duration;

use channels::gmail::{Error, GmailClient, base64url};
use emulators::gmail::{Fault, GmailEmulator};

use super::{MAILBOX, mail, reply, settings, two_mailboxes, world, world_of};

async fn draft_of_a_reply(emulator: &GmailEmulator, client: &GmailClient) -> (String, String) {
    let arrived = emulator.inbound(&mail("Order 42")).unwrap();
    let raw = reply("Re: [TF-20260801-0001] Order 42", &arrived.message_id.unwrap());
    let draft = client.create_draft(raw.as_bytes(), Some(&arrived.thread_id)).await.unwrap();
    (draft.id, arrived.thread_id)
}

#[tokio::test]
async fn a_reply_joins_its_thread_and_its_wire_id_is_read_back() {
    let (emulator, client) = world_of(two_mailboxes()).await;
    let (draft, thread_id) = draft_of_a_reply(&emulator, &client).await;

    let sent = client.send_draft(&draft).await.unwrap();

    assert_eq!(sent.thread_id, thread_id);
    let metadata = client.metadata(&sent.id, &["Message-ID"]).await.unwrap();
    let wire = metadata.header("Message-ID").unwrap();
    assert!(wire.ends_with("@mail.gmail.com>"), "{wire}");
    assert_eq!(metadata.label_ids, ["SENT"]);
    let on_the_wire = emulator.sent().remove(0);
    assert_eq!((on_the_wire.message_id.as_str(), on_the_wire.id), (wire, sent.id));
    assert_eq!(on_the_wire.recipients, ["ana@example.org"]);
    assert_eq!(emulator.messages("ana@example.org").len(), 1, "it has arrived");
    assert!(emulator.drafts(MAILBOX).is_empty());
}

#[tokio::test]
async fn a_mail_with_another_subject_or_without_references_begins_a_thread() {
    let (emulator, client) = world().await;
    let arrived = emulator.inbound(&mail("Order 42")).unwrap();
    let message_id = arrived.message_id.unwrap();

    for raw in [reply("Something else", &message_id), reply("Re: Order 42", "<unknown@x>")] {
        let draft = client.create_draft(raw.as_bytes(), Some(&arrived.thread_id)).await.unwrap();
        let sent = client.send_draft(&draft.id).await.unwrap();
        assert_ne!(sent.thread_id, arrived.thread_id);
    }
}

#[tokio::test]
async fn a_draft_that_was_sent_or_deleted_is_not_found() {
    let (emulator, client) = world().await;
    let (sent, _) = draft_of_a_reply(&emulator, &client).await;
    let (deleted, _) = draft_of_a_reply(&emulator, &client).await;

    assert!(client.draft(&sent).await.is_ok());
    client.send_draft(&sent).await.unwrap();
    client.delete_draft(&deleted).await.unwrap();

    for id in [&sent, &deleted] {
        assert_eq!(client.draft(id).await, Err(Error::NotFound));
        assert_eq!(client.send_draft(id).await, Err(Error::NotFound));
        assert_eq!(client.delete_draft(id).await, Err(Error::NotFound));
    }
    assert_eq!(emulator.sent().len(), 1);
}

#[tokio::test]
async fn an_unknown_thread_and_a_mail_to_nobody_are_refused() {
    let (emulator, client) = world().await;
    let raw = reply("Re: Order 42", "<a@b>");
    let nobody = raw.replace("To: Ana <ana@example.org>\r\n", "");

    let unknown = client.create_draft(raw.as_bytes(), Some("18c1000000000000")).await;
    let draft = client.create_draft(nobody.as_bytes(), None).await.unwrap();
    let refused = client.send_draft(&draft.id).await.unwrap_err();

    assert_eq!(unknown, Err(Error::NotFound));
    assert!(matches!(refused, Error::Permanent { .. }), "{refused:?}");
    assert!(emulator.sent().is_empty());
}

#[tokio::test]
async fn only_a_send_without_an_answer_is_unknown_and_it_is_never_repeated() {
    let emulator = GmailEmulator::start(two_mailboxes()).await.unwrap();
    let mut hasty = settings(&emulator);
    hasty.request_limit = Duration::from_millis(400);
    let client = GmailClient::new(&hasty).unwrap();
    client.profile().await.unwrap();
    let faults = [
        (Fault::Hang, false),
        (Fault::HangAfterProcessing, true),
        (Fault::Drop, false),
        (Fault::ProcessThenDrop, true),
        (Fault::BrokenReply, true),
        (Fault::ServerErrorJson, false),
        (Fault::ServerErrorHtml, false),
        (Fault::ServerErrorAfterProcessing, true),
    ];

    for (number, (fault, went)) in faults.into_iter().enumerate() {
        let (draft, _) = draft_of_a_reply(&emulator, &client).await;
        let before = emulator.sent().len();
        emulator.script("drafts.send", [fault.clone()]);

        let sent = client.send_draft(&draft).await;

        assert!(matches!(sent, Err(Error::OutcomeUnknown { .. })), "{fault:?}: {sent:?}");
        assert_eq!(emulator.requests_for("drafts.send").len(), number + 1, "{fault:?}");
        assert_eq!(emulator.sent().len() - before, usize::from(went), "{fault:?}");
        // Whoever deletes the draft knows: gone means sent.
        let deleted = client.delete_draft(&draft).await;
        assert_eq!(deleted == Err(Error::NotFound), went, "{fault:?}: {deleted:?}");
    }
}

#[tokio::test]
async fn a_send_that_was_certainly_not_done_may_go_again() {
    let (mut emulator, client) = world().await;
    let (draft, _) = draft_of_a_reply(&emulator, &client).await;
    emulator.script(
        "drafts.send",
        [
            Fault::TooMany { retry_after: Some(7), retry_after_in_words: None },
            Fault::TooMany { retry_after: None, retry_after_in_words: Some(90) },
            Fault::TooMany { retry_after: None, retry_after_in_words: None },
            Fault::Refuse { status: 403, reason: "userRateLimitExceeded".to_owned() },
            Fault::Refuse { status: 409, reason: "aborted".to_owned() },
            Fault::Refuse { status: 400, reason: "failedPrecondition".to_owned() },
            Fault::Refuse { status: 403, reason: "domainPolicy".to_owned() },
        ],
    );

    let mut errors = Vec::new();
    for _ in 0..7 {
        errors.push(client.send_draft(&draft).await.unwrap_err());
    }
    emulator.stop().await;
    errors.push(client.send_draft(&draft).await.unwrap_err());
    emulator.restart().await.unwrap();
    let sent = client.send_draft(&draft).await;

    let after = |place: usize| match &errors[place] {
        Error::RateLimited { after, .. } => *after,
        other => panic!("{place}: {other:?}"),
    };
    assert_eq!(after(0), Some(Duration::from_secs(7)));
    let in_words = after(1).unwrap();
    // The header with Google's clock has no fractions.
    assert!((89..=91).contains(&in_words.as_secs()), "{in_words:?}");
    assert_eq!((after(2), after(3)), (None, None));
    assert!(matches!(errors[4], Error::Retryable { .. }), "{:?}", errors[4]);
    assert!(matches!(errors[5], Error::Permanent { .. }), "{:?}", errors[5]);
    assert!(matches!(errors[6], Error::AuthBroken { .. }), "{:?}", errors[6]);
    assert!(matches!(errors[7], Error::Retryable { .. }), "never connected: {:?}", errors[7]);
    assert!(sent.is_ok(), "{sent:?}");
    assert_eq!(emulator.sent().len(), 1);
}

#[tokio::test]
async fn a_mail_is_written_in_googles_base64() {
    let lines = [
        "From: Support <support@example.com>",
        "To: Ana <ana@example.org>",
        "Subject: Re: Order 42",
        "Message-ID: <reply-1@example.com>",
        "In-Reply-To: <orig-1@example.org>",
        "References: <orig-1@example.org>",
        "Auto-Submitted: auto-replied",
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Transfer-Encoding: 8bit",
        "",
        "Hola ¿qué tal?",
        "",
    ];
    let expected = "RnJvbTogU3VwcG9ydCA8c3VwcG9ydEBleGFtcGxlLmNvbT4NClRvOiBBbmEgPGFuYUBleGFtcGxl\
        Lm9yZz4NClN1YmplY3Q6IFJlOiBPcmRlciA0Mg0KTWVzc2FnZS1JRDogPHJlcGx5LTFAZXhhbXBsZS5jb20-DQpJ\
        bi1SZXBseS1UbzogPG9yaWctMUBleGFtcGxlLm9yZz4NClJlZmVyZW5jZXM6IDxvcmlnLTFAZXhhbXBsZS5vcmc-\
        DQpBdXRvLVN1Ym1pdHRlZDogYXV0by1yZXBsaWVkDQpNSU1FLVZlcnNpb246IDEuMA0KQ29udGVudC1UeXBlOiB0\
        ZXh0L3BsYWluOyBjaGFyc2V0PXV0Zi04DQpDb250ZW50LVRyYW5zZmVyLUVuY29kaW5nOiA4Yml0DQoNCkhvbGEg\
        wr9xdcOpIHRhbD8NCg==";
    let raw = lines.join("\r\n");
    let (emulator, client) = world().await;

    client.create_draft(raw.as_bytes(), None).await.unwrap();

    let written = &emulator.requests_for("drafts.create")[0].body["message"]["raw"];
    assert_eq!(written, expected);
    assert_eq!(base64url::decode(expected).as_deref(), Some(raw.as_bytes()));
}
