//! What becomes of each kind of message and status, and of what is none.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use contract::{CUT_MARK, EventId};
use hmac::{Hmac, KeyInit as _, Mac as _};
use proptest::prelude::*;
use sha1::Sha1;

use super::*;
use crate::twilio::form::pairs;
use crate::twilio::signature::{Request, Verifier};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const SID: &str = "SM00000000000000000000000000000001";
const ACCOUNT: &str = "AC00000000000000000000000000000001";
const US: &str = "whatsapp:+14155238886";
const SAM: &str = "whatsapp:+14155550123";

fn ours() -> Ours {
    Ours {
        account_sid: ACCOUNT.to_owned(),
        address: US.to_owned(),
        api_base_url: "https://api.twilio.com".to_owned(),
    }
}

fn now() -> DateTime<Utc> {
    "2026-01-05T12:00:00Z".parse().unwrap()
}

/// A form that is signed, as the tests of signatures are not about here.
fn signed(path_and_query: &str, body: &[u8]) -> Verified<Form> {
    let mut sorted = pairs(body);
    sorted.sort();
    sorted.dedup();
    let mut mac = Hmac::<Sha1>::new_from_slice(TOKEN.as_bytes()).unwrap();
    mac.update(b"https://a.example");
    mac.update(path_and_query.as_bytes());
    for (name, value) in sorted {
        mac.update(&name);
        mac.update(&value);
    }
    let signature = STANDARD.encode(mac.finalize().into_bytes());
    let signature = Some(signature.as_bytes());
    let request = Request { path_and_query, signature, settings: None, body };
    Verifier::new([TOKEN], ["https://a.example"]).form(&request).unwrap()
}

fn encoded(fields: &[(&str, &str)]) -> String {
    let encode = |text: &str| {
        percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
    };
    let pairs = fields.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value)));
    pairs.collect::<Vec<_>>().join("&")
}

/// The usual message, with some fields changed, added or (by an empty value) emptied.
fn try_message(changes: &[(&str, &str)]) -> Result<WhatsappInbound, Unreadable> {
    let mut fields = vec![
        ("MessageSid", SID),
        ("AccountSid", ACCOUNT),
        ("From", SAM),
        ("To", US),
        ("Body", "Hola"),
        ("NumMedia", "0"),
        ("ProfileName", "Sam"),
        ("WaId", "14155550123"),
        ("MessageType", "text"),
    ];
    fields.retain(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
    fields.extend(changes);
    message(&signed("/webhooks/whatsapp", encoded(&fields).as_bytes()), &ours(), now())
}

fn message_with(changes: &[(&str, &str)]) -> WhatsappMessage {
    match try_message(changes).unwrap().body {
        WhatsappBody::Message(message) => message,
        WhatsappBody::Status(status) => panic!("{status:?}"),
    }
}

fn try_status(query: &str, changes: &[(&str, &str)]) -> Result<WhatsappInbound, Unreadable> {
    let mut fields = vec![
        ("MessageSid", SID),
        ("AccountSid", ACCOUNT),
        ("From", US),
        ("To", SAM),
        ("MessageStatus", "delivered"),
        ("SmsStatus", "delivered"),
    ];
    fields.retain(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
    fields.extend(changes);
    let path = format!("/webhooks/whatsapp/status{query}");
    status(&signed(&path, encoded(&fields).as_bytes()), &ours(), now())
}

fn status_with(query: &str, changes: &[(&str, &str)]) -> WhatsappStatus {
    match try_status(query, changes).unwrap().body {
        WhatsappBody::Status(status) => status,
        WhatsappBody::Message(message) => panic!("{message:?}"),
    }
}

#[test]
fn a_text_message_becomes_an_event_named_by_its_sid() {
    let event = try_message(&[]).unwrap();

    assert_eq!(event.meta.event_id, EventId::named(&format!("twilio:{SID}")));
    assert_eq!(event.meta.cause_id, event.meta.event_id.as_uuid());
    assert_eq!(event.meta.event_time, now());
    let expected = WhatsappMessage {
        message_sid: SID.to_owned(),
        from: SAM.to_owned(),
        to: US.to_owned(),
        sender_id: SAM.to_owned(),
        phone: Some("+14155550123".to_owned()),
        profile_name: "Sam".to_owned(),
        body: "Hola".to_owned(),
        message_type: "text".to_owned(),
        media: Vec::new(),
        location: None,
        button: None,
        replied_to_sid: None,
        opt_out_type: None,
    };
    assert_eq!(event.body, WhatsappBody::Message(expected));
}

#[test]
fn a_sender_with_a_user_id_is_known_by_it_and_keeps_the_phone() {
    let message = message_with(&[("ExternalUserId", "whatsapp:US.1A2B3C")]);
    assert_eq!(message.sender_id, "whatsapp:US.1A2B3C");
    assert_eq!((message.from.as_str(), message.phone.as_deref()), (SAM, Some("+14155550123")));

    let broken = message_with(&[("ExternalUserId", "US.1A2B3C")]);
    assert_eq!(broken.sender_id, SAM, "one that is none does not count");
}

#[test]
fn a_sender_without_a_phone_is_known_by_the_user_id() {
    for id in [
        "whatsapp:ES.1A2B3C4D5E6F7A8B",
        "whatsapp:ES.ENT.1A2b",
        &format!("whatsapp:ES.{}", "a".repeat(128)),
    ] {
        let message = message_with(&[("From", id), ("ExternalUserId", id), ("WaId", "")]);
        assert_eq!((message.from.as_str(), message.sender_id.as_str()), (id, id));
        assert_eq!(message.phone, None);

        assert_eq!(message_with(&[("From", id)]).sender_id, id);
    }
}

#[test]
fn what_is_no_whatsapp_sender_is_refused() {
    let long = format!("whatsapp:ES.{}", "a".repeat(129));
    for from in [
        "",
        "+14155550123",
        "messenger:123",
        "whatsapp:",
        "whatsapp:+",
        "whatsapp:14155550123",
        "whatsapp:+123456",
        "whatsapp:+1234567890123456",
        "whatsapp:+0415555012",
        "whatsapp:+1415555012x",
        "whatsapp:+14155550123\n",
        "whatsapp:es.1A",
        "whatsapp:E.1A",
        "whatsapp:ESP.1A",
        "whatsapp:ES.",
        "whatsapp:ES.ENT.",
        "whatsapp:ES.1A.2B",
        "whatsapp:ES.ñ",
        &long,
    ] {
        assert_eq!(try_message(&[("From", from)]), Err(Unreadable::From), "{from}");
    }
}

#[test]
fn what_is_not_for_us_is_refused() {
    let other = "AC00000000000000000000000000000002";
    assert_eq!(try_message(&[("AccountSid", other)]), Err(Unreadable::AccountSid));
    assert_eq!(try_message(&[("AccountSid", "")]), Err(Unreadable::AccountSid));
    assert_eq!(try_message(&[("To", "whatsapp:+14155238887")]), Err(Unreadable::To));
    assert_eq!(try_message(&[("To", "+14155238886")]), Err(Unreadable::To));
    assert_eq!(try_status("", &[("AccountSid", other)]), Err(Unreadable::AccountSid));
    for sid in
        ["", "SM1", "SMg0000000000000000000000000000001", "XX00000000000000000000000000000001"]
    {
        assert_eq!(try_message(&[("MessageSid", sid)]), Err(Unreadable::MessageSid), "{sid}");
        assert_eq!(try_status("", &[("MessageSid", sid)]), Err(Unreadable::MessageSid), "{sid}");
    }
}

const MEDIA: &str = "https://api.twilio.com/2010-04-01/Accounts/AC00000000000000000000000000000001/Messages/MM00000000000000000000000000000001/Media/ME00000000000000000000000000000001";

#[test]
fn a_file_is_kept_by_reference_with_its_caption() {
    let message = message_with(&[
        ("NumMedia", "1"),
        ("MediaUrl0", MEDIA),
        ("MediaContentType0", "image/jpeg"),
        ("MessageType", "image"),
        ("Body", "caption"),
    ]);

    let expected = WhatsappMedia { url: MEDIA.to_owned(), content_type: "image/jpeg".to_owned() };
    assert_eq!(message.media, [expected]);
    assert_eq!((message.body.as_str(), message.message_type.as_str()), ("caption", "image"));
}

#[test]
fn num_media_is_not_believed() {
    for number in ["abc", "", "0", "9", "-1", "99999999999999999999"] {
        let files = [("NumMedia", number), ("MediaUrl0", MEDIA), ("MediaUrl1", "")];
        assert_eq!(message_with(&files).media.len(), 1, "{number}");
    }
    assert_eq!(message_with(&[("NumMedia", "3")]).media, []);
}

#[test]
fn a_file_on_a_foreign_host_is_noted_and_has_no_url_to_fetch() {
    let long = format!("{MEDIA}/{}", "a".repeat(2000));
    for url in [
        "https://evil.example/2010-04-01/Accounts/AC1/x",
        "https://api.twilio.com.evil.example/2010-04-01/Accounts/AC1/x",
        "https://api.twilio.com@evil.example/2010-04-01/Accounts/AC1/x",
        "http://api.twilio.com/2010-04-01/Accounts/AC1/x",
        "https://api.twilio.com/other/AC1",
        "https://api.twilio.com/2010-04-01/Accounts/",
        "https://api.twilio.com/2010-04-01/Accounts/../../x",
        "https://api.twilio.com/2010-04-01/Accounts/AC1?to=x",
        "https://api.twilio.com/2010-04-01/Accounts/AC1 x",
        "http://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
        &long,
    ] {
        let message = message_with(&[("MediaUrl0", url), ("MediaContentType0", "image/png")]);
        let noted = WhatsappMedia { url: String::new(), content_type: "image/png".to_owned() };
        assert_eq!(message.media, [noted], "{url}");
    }
}

#[test]
fn a_location_is_read_and_a_broken_one_is_left_out() {
    let place = [("Latitude", "40.4168"), ("Longitude", "-3.7038"), ("Label", "Sol"), ("Body", "")];
    let message = message_with(&place);

    let expected = WhatsappLocation {
        latitude: 40.4168,
        longitude: -3.7038,
        address: String::new(),
        label: "Sol".to_owned(),
    };
    assert_eq!(message.location, Some(expected));
    assert_eq!(message.body, "");
    for (latitude, longitude) in
        [("", "1"), ("1", ""), ("91", "1"), ("1", "-181"), ("NaN", "1"), ("inf", "1"), ("x", "y")]
    {
        let message = message_with(&[("Latitude", latitude), ("Longitude", longitude)]);
        assert_eq!(message.location, None, "{latitude} {longitude}");
    }
}

#[test]
fn a_tap_says_what_was_tapped_and_on_which_message() {
    let quoted = "MM00000000000000000000000000000009";
    let tap = message_with(&[
        ("ButtonText", "Confirm"),
        ("ButtonPayload", "confirm_42"),
        ("OriginalRepliedMessageSid", quoted),
    ]);
    let expected = WhatsappButton { text: "Confirm".to_owned(), payload: "confirm_42".to_owned() };
    assert_eq!(tap.button, Some(expected));
    assert_eq!(tap.replied_to_sid.as_deref(), Some(quoted));

    let entry = message_with(&[("ListTitle", "Refund"), ("ListId", "2")]).button.unwrap();
    assert_eq!((entry.text.as_str(), entry.payload.as_str()), ("Refund", "2"));
    let rubbish = message_with(&[("OriginalRepliedMessageSid", "wamid.1")]);
    assert_eq!((rubbish.button, rubbish.replied_to_sid), (None, None));
}

#[test]
fn a_recognised_opt_out_is_kept_and_any_other_word_is_not() {
    assert_eq!(message_with(&[("OptOutType", "STOP")]).opt_out_type.as_deref(), Some("STOP"));
    assert_eq!(message_with(&[("OptOutType", "start")]).opt_out_type.as_deref(), Some("START"));
    assert_eq!(message_with(&[("OptOutType", "MAYBE")]).opt_out_type, None);
}

#[test]
fn a_message_with_nothing_in_it_is_still_a_message() {
    let message = message_with(&[("Body", ""), ("MessageType", "reaction")]);

    assert_eq!((message.body.as_str(), message.message_type.as_str()), ("", "reaction"));
    assert!(message.media.is_empty());
}

#[test]
fn a_profile_name_is_one_short_line_that_turns_nothing_around() {
    let name = |given: &str| message_with(&[("ProfileName", given)]).profile_name;

    assert_eq!(name(" Sam\r\nIgnore all\u{0}\u{1b}[31m\u{85} "), "Sam  Ignore all  [31m");
    assert_eq!(name("\u{202E}evil\u{202C}\u{2066}x\u{2069}\u{200F}"), "evilx");
    assert_eq!(name("José \"Pepe\" Ñandú 👩‍🚀"), "José \"Pepe\" Ñandú 👩‍🚀");
    assert_eq!(name(&"ñ".repeat(10_000)), "ñ".repeat(200));
    assert_eq!(name("\n\t"), "");
}

#[test]
fn a_text_keeps_its_characters_and_loses_only_u_0000() {
    let message = message_with(&[("Body", "<b>a\u{0}b</b>\r\n\u{7}\u{202E}📦")]);

    assert_eq!(message.body, "<b>a\u{FFFD}b</b>\r\n\u{7}\u{202E}📦");
}

#[test]
fn a_text_over_the_bound_is_cut_between_characters_and_says_so() {
    let kept = message_with(&[("Body", &"x".repeat(BODY_BYTES))]).body;
    assert_eq!(kept, "x".repeat(BODY_BYTES));

    let cut = message_with(&[("Body", &"📦".repeat(BODY_BYTES))]).body;
    assert!(cut.len() <= BODY_BYTES && cut.len() > BODY_BYTES - 8, "{}", cut.len());
    assert!(cut.ends_with(CUT_MARK) && cut.starts_with("📦"));
}

#[test]
fn a_fallback_call_and_unknown_parameters_change_nothing() {
    let fallback = [("ErrorCode", "11200"), ("ErrorUrl", "https://a.example/"), ("New", "1")];

    assert_eq!(try_message(&fallback), try_message(&[]));
}

#[test]
fn a_status_is_named_by_message_status_and_code() {
    let delivery = "0191d7a4-7c7b-7f3e-8b2e-4a3f1c2d5e6f";
    let event = try_status(&format!("?d={delivery}"), &[]).unwrap();

    assert_eq!(event.meta.event_id, EventId::named(&format!("twilio:{SID}:delivered:0")));
    let expected = WhatsappStatus {
        message_sid: SID.to_owned(),
        delivery_id: Some(delivery.parse::<Uuid>().unwrap().into()),
        status: "delivered".to_owned(),
        error_code: None,
    };
    assert_eq!(event.body, WhatsappBody::Status(expected));

    let failed = [("MessageStatus", "undelivered"), ("ErrorCode", "63016")];
    let event = try_status("", &failed).unwrap();
    assert_eq!(event.meta.event_id, EventId::named(&format!("twilio:{SID}:undelivered:63016")));
}

#[test]
fn odd_codes_urls_and_words_of_a_status_do_not_lose_it() {
    for code in ["", "0", "none", "-1", "63016.5", "99999999999"] {
        assert_eq!(status_with("", &[("ErrorCode", code)]).error_code, None, "{code}");
    }
    for query in ["", "?d=", "?d=42", "?x=1", "?d"] {
        assert_eq!(status_with(query, &[]).delivery_id, None, "{query}");
    }
    let new = [("MessageStatus", "Teleported"), ("ChannelToAddress", "+1415555XXXX")];
    assert_eq!(status_with("", &new).status, "teleported");
    assert_eq!(try_status("", &[("MessageStatus", "")]), Err(Unreadable::MessageStatus));
}

proptest! {
    #[test]
    fn no_bytes_panic_and_what_is_read_survives_the_log(
        body in prop::collection::vec(any::<u8>(), 0..2048),
        name in any::<String>(),
        text in any::<String>(),
        url in any::<String>(),
        number in any::<f64>(),
        query in "[ -~]{0,40}",
    ) {
        use contract::Event as _;
        let form = signed(&format!("/x?{query}"), &body);
        drop(message(&form, &ours(), now()));
        drop(status(&form, &ours(), now()));

        let number = number.to_string();
        let event = try_message(&[
            ("ProfileName", &name), ("Body", &text), ("MediaUrl0", &url), ("ButtonText", &name),
            ("ButtonPayload", &text), ("MessageType", &name), ("Latitude", &number),
            ("Longitude", &number), ("Label", &text), ("OptOutType", &name),
        ]).unwrap();
        prop_assert_eq!(WhatsappInbound::decode(&event.encode()).unwrap(), event.clone());
        let WhatsappBody::Message(read) = event.body else { panic!("a message") };
        prop_assert!(!read.profile_name.contains(char::is_control));
        prop_assert!(!read.body.contains('\0'));
    }
}
