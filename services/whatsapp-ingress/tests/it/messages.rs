//! What customers send, from Twilio's form to the event in the log.

use contract::{EventId, WhatsappBody, WhatsappButton, WhatsappLocation, WhatsappMedia};

use crate::support::{App, MESSAGES, SAM, SID, US, message, signed};

const MEDIA: &str = "https://api.twilio.com/2010-04-01/Accounts/AC00000000000000000000000000000001/Messages/MM00000000000000000000000000000001/Media/ME00000000000000000000000000000001";

#[tokio::test]
async fn a_message_is_in_the_log_when_the_answer_is_204() {
    let app = App::new();

    app.message(&[]).await.assert_taken();

    let event = &app.events()[0];
    assert_eq!(event.meta.event_id, EventId::named(&format!("twilio:{SID}")));
    assert_eq!(event.meta.event_time.to_rfc3339(), "2026-01-05T12:00:00.250+00:00");
    let message = app.only_message();
    assert_eq!((message.from.as_str(), message.to.as_str()), (SAM, US));
    assert_eq!(message.body, "¿Dónde está mi pedido? 📦 A&B=100%");
    assert_eq!(message.profile_name, "Sam Doe");
    assert_eq!(app.publisher.records()[0].key, SAM);
}

#[tokio::test]
async fn the_same_webhook_twice_gives_two_records_with_the_same_event_id() {
    let app = App::new();
    app.message(&[]).await.assert_taken();
    app.set_time("2026-01-05T12:00:16Z");

    app.message(&[]).await.assert_taken();

    let [first, second] = app.events().try_into().unwrap();
    assert_eq!(first.meta.event_id, second.meta.event_id);
    assert_eq!(first.body, second.body);
    assert_ne!(first.meta.event_time, second.meta.event_time);
}

#[tokio::test]
async fn two_replicas_give_one_message_the_same_event_id_and_key() {
    let (here, there) = (App::new(), App::new());

    let answers = futures::join!(here.message(&[]), there.message(&[]));

    answers.0.assert_taken();
    answers.1.assert_taken();
    let (here, there) = (&here.publisher.records()[0], &there.publisher.records()[0]);
    assert_eq!((here.event_id, &here.key), (there.event_id, &there.key));
}

#[tokio::test]
async fn a_call_that_the_log_does_not_confirm_is_answered_503_and_told_when_to_come_again() {
    let app = App::new();
    app.publisher.lose_next();
    let refused = app.message(&[]).await;
    refused.assert_problem(503);
    assert_eq!(refused.headers["retry-after"], "5");
    assert!(app.events().is_empty());

    app.publisher.leave_next_unconfirmed();
    app.message(&[]).await.assert_problem(503);
    app.message(&[]).await.assert_taken();

    let ids: Vec<_> = app.events().iter().map(|event| event.meta.event_id).collect();
    assert_eq!(ids, [EventId::named(&format!("twilio:{SID}")); 2]);
}

#[tokio::test]
async fn a_sender_without_a_phone_is_known_by_the_user_id() {
    let app = App::new();
    let id = "whatsapp:ES.1A2B3C4D5E6F7A8B";

    app.message(&[("From", id), ("ExternalUserId", id), ("WaId", "")]).await.assert_taken();

    let message = app.only_message();
    assert_eq!((message.from.as_str(), message.sender_id.as_str()), (id, id));
    assert_eq!(message.phone, None);
    assert_eq!(app.publisher.records()[0].key, id);
}

#[tokio::test]
async fn a_sender_with_a_phone_and_a_user_id_is_known_by_the_user_id() {
    let app = App::new();

    app.message(&[("ExternalUserId", "whatsapp:US.1A2B")]).await.assert_taken();

    let message = app.only_message();
    assert_eq!((message.from.as_str(), message.sender_id.as_str()), (SAM, "whatsapp:US.1A2B"));
    assert_eq!(message.phone.as_deref(), Some("+14155550123"));
    assert_eq!(app.publisher.records()[0].key, "whatsapp:US.1A2B");
}

#[tokio::test]
async fn a_message_without_text_or_file_is_kept() {
    for kind in ["reaction", "contacts", "unsupported"] {
        let app = App::new();
        app.message(&[("Body", ""), ("MessageType", kind)]).await.assert_taken();
        let message = app.only_message();
        assert_eq!((message.body.as_str(), message.message_type.as_str()), ("", kind));
    }
}

#[tokio::test]
async fn stickers_voice_notes_and_documents_are_kept_by_reference() {
    for (kind, content_type, caption) in [
        ("sticker", "image/webp", ""),
        ("audio", "audio/ogg", ""),
        ("document", "application/pdf", "The invoice"),
    ] {
        let app = App::new();
        let file = [
            ("MessageType", kind),
            ("NumMedia", "1"),
            ("MediaUrl0", MEDIA),
            ("MediaContentType0", content_type),
            ("Body", caption),
        ];

        app.message(&file).await.assert_taken();

        let message = app.only_message();
        let expected =
            WhatsappMedia { url: MEDIA.to_owned(), content_type: content_type.to_owned() };
        assert_eq!((message.media, message.body.as_str()), (vec![expected], caption));
    }
}

#[tokio::test]
async fn a_location_alone_is_kept() {
    let app = App::new();
    let place = [
        ("MessageType", "location"),
        ("Body", ""),
        ("Latitude", "40.4168"),
        ("Longitude", "-3.7038"),
        ("Address", ""),
        ("Label", ""),
    ];

    app.message(&place).await.assert_taken();

    let expected = WhatsappLocation {
        latitude: 40.4168,
        longitude: -3.7038,
        address: String::new(),
        label: String::new(),
    };
    assert_eq!(app.only_message().location, Some(expected));
}

#[tokio::test]
async fn a_tap_on_a_button_or_a_list_is_kept_with_the_message_it_answers() {
    let quoted = "MM00000000000000000000000000000009";
    let app = App::new();
    let button = [
        ("MessageType", "interactive"),
        ("Body", "Confirm"),
        ("ButtonText", "Confirm"),
        ("ButtonPayload", "confirm_42"),
        ("OriginalRepliedMessageSid", quoted),
        ("OriginalRepliedMessageSender", US),
    ];
    app.message(&button).await.assert_taken();
    let message = app.only_message();
    let expected = WhatsappButton { text: "Confirm".to_owned(), payload: "confirm_42".to_owned() };
    assert_eq!(message.button, Some(expected));
    assert_eq!(message.replied_to_sid.as_deref(), Some(quoted));

    let app = App::new();
    app.message(&[("ListId", "2"), ("ListTitle", "Refund")]).await.assert_taken();
    let expected = WhatsappButton { text: "Refund".to_owned(), payload: "2".to_owned() };
    assert_eq!(app.only_message().button, Some(expected));
}

#[tokio::test]
async fn a_wrong_number_of_files_neither_loses_the_message_nor_invents_a_file() {
    for (number, files) in [("abc", 1), ("7", 1), ("0", 1), ("", 1), ("-1", 1)] {
        let app = App::new();
        app.message(&[("NumMedia", number), ("MediaUrl0", MEDIA)]).await.assert_taken();
        assert_eq!(app.only_message().media.len(), files, "{number}");
    }
    let app = App::new();
    app.message(&[("NumMedia", "3")]).await.assert_taken();
    assert!(app.only_message().media.is_empty());
}

#[tokio::test]
async fn a_file_on_a_foreign_host_is_noted_and_has_no_url_to_fetch() {
    for url in [
        "http://169.254.169.254/latest/meta-data",
        "https://api.twilio.com.evil.example/2010-04-01/Accounts/AC1/x",
        "https://api.twilio.com@evil.example/2010-04-01/Accounts/AC1/x",
    ] {
        let app = App::new();
        let file = [("NumMedia", "1"), ("MediaUrl0", url), ("MediaContentType0", "image/png")];

        app.message(&file).await.assert_taken();

        let noted = WhatsappMedia { url: String::new(), content_type: "image/png".to_owned() };
        assert_eq!(app.only_message().media, [noted], "{url}");
    }
}

#[tokio::test]
async fn a_profile_name_is_one_short_line_that_turns_nothing_around() {
    let app = App::new();
    let name = format!("Sam\r\nIgnore all rules\u{0}\u{202E}{}", "x".repeat(10_000));

    app.message(&[("ProfileName", &name)]).await.assert_taken();

    let kept = app.only_message().profile_name;
    assert!(kept.starts_with("Sam  Ignore all rules x"), "{kept}");
    assert_eq!(kept.chars().count(), 200);
    assert!(!kept.contains(|c: char| c.is_control() || c == '\u{202E}'));
}

#[tokio::test]
async fn a_long_text_is_cut_with_a_mark_and_u_0000_is_replaced() {
    let app = App::new();
    let text = format!("\u{0}{}", "x".repeat(60_000));

    app.message(&[("Body", &text)]).await.assert_taken();

    let kept = app.only_message().body;
    assert!(kept.starts_with("\u{FFFD}xx") && kept.ends_with("[cut here: the text was longer]"));
    assert_eq!(kept.len(), 32 << 10);
}

#[tokio::test]
async fn eight_kib_of_text_come_through_whole() {
    let app = App::new();
    let text = "ñ".repeat(4096);

    app.message(&[("Body", &text)]).await.assert_taken();

    assert_eq!(app.only_message().body, text);
}

#[tokio::test]
async fn a_fallback_call_is_the_same_message() {
    let app = App::new();
    app.message(&[]).await.assert_taken();

    app.message(&[("ErrorCode", "11200"), ("ErrorUrl", "https://support.example.com/x")])
        .await
        .assert_taken();

    let [first, second] = app.events().try_into().unwrap();
    assert_eq!(first, second);
}

#[tokio::test]
async fn a_word_that_twilio_took_for_an_opt_out_reaches_the_log() {
    let app = App::new();

    app.message(&[("Body", "Stop"), ("OptOutType", "STOP")]).await.assert_taken();

    assert_eq!(app.only_message().opt_out_type.as_deref(), Some("STOP"));
}

#[tokio::test]
async fn messages_of_a_burst_keep_the_order_and_the_time_of_their_arrival() {
    let app = App::new();
    let sids: Vec<_> = (0..5).map(|n| format!("SM{n:032}")).collect();

    for (n, sid) in sids.iter().enumerate() {
        app.set_time(&format!("2026-01-05T12:00:0{n}Z"));
        // Twilio writes no time into a call; one that a caller adds does not count.
        let fields = message(&[("MessageSid", sid), ("DateSent", "2020-01-01")]);
        app.send(signed(MESSAGES, &fields)).await.assert_taken();
    }

    for (n, event) in app.events().iter().enumerate() {
        assert_eq!(event.meta.event_time.to_rfc3339(), format!("2026-01-05T12:00:0{n}+00:00"));
        let WhatsappBody::Message(message) = &event.body else { panic!("{event:?}") };
        assert_eq!(message.message_sid, sids[n]);
    }
    assert!(app.publisher.records().iter().all(|record| record.key == SAM));
}
