//! Reading mails over whatever bytes and lines there can be.

use channels::email::{Unreadable, attachment, read};
use contract::MailKind;
use proptest::prelude::*;

use crate::mail_corpus::ourselves;
use crate::mail_hostile::{HEAD, plain, size};

fn soup() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("From: a@b.example\r\n".to_owned()),
        Just("Content-Type: multipart/mixed; boundary=b\r\n".to_owned()),
        Just(
            "Content-Type: multipart/report; report-type=delivery-status; boundary=\"b\"\r\n"
                .to_owned()
        ),
        Just("Content-Type: message/delivery-status\r\n".to_owned()),
        Just("Content-Type: text/html; charset=iso-2022-jp\r\n".to_owned()),
        Just("Content-Type: text/plain; format=flowed; delsp=yes\r\n".to_owned()),
        Just("Content-Transfer-Encoding: quoted-printable\r\n".to_owned()),
        Just("Content-Transfer-Encoding: base64\r\n".to_owned()),
        Just("Content-Disposition: attachment; filename*=x''%ff%00\r\n".to_owned()),
        Just("Subject: =?utf-8?B?w6?= =?utf-8?Q?=?=\r\n".to_owned()),
        Just("Auto-Submitted: ;\r\n".to_owned()),
        Just("List-Id: <>\r\n".to_owned()),
        Just("\r\n".to_owned()),
        Just("--b\r\n".to_owned()),
        Just("--b--\r\n".to_owned()),
        Just("<div style='display:none'><blockquote type=cite>".to_owned()),
        Just("On 5 Jan 2026, A <a@b.example> wrote:\r\n> ".to_owned()),
        "\\PC{0,40}\r\n",
        "[a-zA-Z-]{1,12}: [ -~]{0,60}\r\n",
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_bytes_break_the_reader(bytes in prop::collection::vec(any::<u8>(), 0..2_000), soup in soup()) {
        for raw in [bytes, soup.clone().into_bytes(), format!("{HEAD}{soup}").into_bytes()] {
            let found = read(&raw, &ourselves());
            prop_assert_ne!(found.as_ref().err(), Some(&Unreadable::Broken));
            if let Ok(mail) = found {
                prop_assert!(size(&mail) < 200 << 10);
                prop_assert!(!mail.text.contains(['\0', '\r']) && !mail.subject.contains(char::is_control));
                prop_assert_eq!(mail.kind == MailKind::Bounce, mail.bounce.is_some());
                for file in &mail.attachments {
                    prop_assert!(!file.name.contains(['/', '\\', '\0']) && file.name != ".." && !file.name.is_empty());
                    prop_assert!(attachment(&raw, file.part).is_some());
                }
            }
        }
    }

    #[test]
    fn new_text_never_invents_a_word_and_is_empty_only_where_all_is(
        lines in prop::collection::vec(prop_oneof![
            "[a-z]{1,8}( [a-z]{1,8}){0,5}",
            Just(String::new()),
            "> [a-z ]{0,20}",
            Just("-- ".to_owned()),
            Just("Sent from my iPhone".to_owned()),
            Just("On Mon, 5 Jan 2026 at 10:31, A <a@b.example> wrote:".to_owned()),
            Just("-----Original Message-----".to_owned()),
            Just("From: A <a@b.example>\nSent: Monday\nTo: b@b.example".to_owned()),
            Just("________________________________".to_owned()),
        ], 0..20)
    ) {
        let body = lines.join("\n");
        let mail = plain(&body);
        let known: Vec<&str> = body.split_whitespace().collect();

        prop_assert!(mail.text.split_whitespace().all(|word| known.contains(&word)));
        let has_words = |text: &str| text.contains(char::is_alphanumeric);
        prop_assert_eq!(has_words(&mail.text), has_words(&body), "{:?}", body);
    }

    #[test]
    fn words_above_a_quote_are_all_kept(words in "[a-z]{2,9}( [a-z]{2,9}){0,12}", quote in "[a-z ]{1,60}") {
        let expected = words.clone();
        for tail in [
            format!("On Mon, 5 Jan 2026 at 10:31, A <a@b.example> wrote:\n> {quote}"),
            format!("-----Original Message-----\nFrom: a@b.example\n{quote}"),
            format!("Von: A <a@b.example>\nGesendet: Montag\n{quote}"),
            format!("> {quote}\n> {quote}"),
        ] {
            prop_assert_eq!(plain(&format!("{words}\n\n{tail}")).text, expected.as_str());
        }
    }
}
