//! Published and computed signatures, and what must not pass for one.

use proptest::prelude::*;

use super::*;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const BASE: &str = "https://support.example.com";
const ACCOUNT: &str = "AccountSid=AC00000000000000000000000000000001&ApiVersion=2010-04-01";

/// The first example of Twilio's documentation.
const CALL: &str = "CallSid=CA1234567890ABCDE&Caller=%2B14158675309&Digits=1234\
    &From=%2B14158675309&To=%2B18005551212";
const CALL_PATH: &str = "/myapp.php?foo=1&bar=2";
const CALL_SIGNATURE: &str = "RSOYDt4T1cUTdK1PDd93/VVr8B8=";
const CALL_SIGNATURE_WITH_PORT: &str = "kvajT1Ptam85bY51eRf/AJRuM3w=";

fn message() -> String {
    format!(
        "{ACCOUNT}&Body=Hola%2C+%C2%BFd%C3%B3nde+est%C3%A1+mi+pedido%3F+%F0%9F%93%A6+A%26B%3D100%25\
         &ButtonPayload=&From=whatsapp%3A%2B14155550123\
         &MessageSid=SM00000000000000000000000000000001&NumMedia=0&NumSegments=1\
         &ProfileName=Jos%C3%A9+%22Pepe%22+%C3%91and%C3%BA\
         &SmsMessageSid=SM00000000000000000000000000000001\
         &SmsSid=SM00000000000000000000000000000001&SmsStatus=received\
         &To=whatsapp%3A%2B14155238886&WaId=14155550123"
    )
}

fn verify(
    token: &str,
    base: &str,
    path_and_query: &str,
    body: &str,
    signature: &str,
) -> Result<Verified<Form>, Refused> {
    Verifier::new([token], [base]).form(&Request {
        path_and_query,
        signature: Some(signature.as_bytes()),
        settings: None,
        body: body.as_bytes(),
    })
}

fn accepts(path_and_query: &str, body: &str, signature: &str) -> bool {
    verify(TOKEN, BASE, path_and_query, body, signature).is_ok()
}

#[test]
fn the_documented_signature_counts_with_and_without_a_port() {
    let call = |base: &str, signature| verify("12345", base, CALL_PATH, CALL, signature).is_ok();

    for base in ["https://mycompany.com", "https://mycompany.com:443", "https://mycompany.com/"] {
        assert!(call(base, CALL_SIGNATURE), "{base}");
        assert!(call(base, CALL_SIGNATURE_WITH_PORT), "{base}");
    }
    assert!(call("https://mycompany.com:8443", CALL_SIGNATURE));
    assert!(!call("https://mycompany.com:8443", CALL_SIGNATURE_WITH_PORT));
    assert!(!call("http://mycompany.com", CALL_SIGNATURE));
    assert!(!call("https://mycompany.org", CALL_SIGNATURE));
}

#[test]
fn a_whatsapp_message_with_unicode_and_empty_values_is_verified() {
    let signature = "49E/hbybaeHseEIXeRtDwFuAyZA=";

    let form = verify(TOKEN, BASE, "/webhooks/whatsapp", &message(), signature).unwrap();

    assert_eq!(form.get("Body"), Some("Hola, ¿dónde está mi pedido? 📦 A&B=100%"));
    let with_port = "https://support.example.com:8443";
    let signature = "4IEH/y7HZWzRCB/hzzdyGeSFduk=";
    assert!(verify(TOKEN, with_port, "/webhooks/whatsapp", &message(), signature).is_ok());
}

#[test]
fn a_path_that_a_proxy_takes_away_belongs_to_the_base_url() {
    let base = "https://support.example.com/webhooks";
    let signature = "49E/hbybaeHseEIXeRtDwFuAyZA=";

    assert!(verify(TOKEN, base, "/whatsapp", &message(), signature).is_ok());
    assert!(verify(TOKEN, BASE, "/whatsapp", &message(), signature).is_err());
}

#[test]
fn duplicates_count_once_and_sort_by_bytes() {
    let body = "MessageSid=SM00000000000000000000000000000002&Tag=b&Tag=a&Tag=b";
    let path = "/webhooks/whatsapp/status?tenant=acme";
    assert!(accepts(path, body, "MHdQyX4CexdvTF3iqVpDTUGaEQA="));
    assert!(!accepts("/webhooks/whatsapp/status", body, "MHdQyX4CexdvTF3iqVpDTUGaEQA="));

    assert!(accepts("/webhooks/whatsapp", "b=1&B=2&a=3&Ab=4", "/5S1eFSZhe0p+9tT4iLrCQb9E7s="));

    let digits = "Sid=CA123&SidAccount=AC123&Digits=5678&Digits=1234&Digits=1234";
    let signature = "IK+Dwps556ElfBT0I3Rgjkr1wJU=";
    assert!(verify("12345", "https://mycompany.com", CALL_PATH, digits, signature).is_ok());
}

#[test]
fn a_status_callback_is_verified() {
    let body = format!(
        "{ACCOUNT}&ChannelInstallSid=XE00000000000000000000000000000001&ChannelPrefix=whatsapp\
         &ChannelStatusMessage=Re-engagement+message&ChannelToAddress=%2B14155550123&ErrorCode=63016\
         &From=whatsapp%3A%2B14155238886&MessageSid=SM00000000000000000000000000000002\
         &MessageStatus=undelivered&SmsSid=SM00000000000000000000000000000002\
         &SmsStatus=undelivered&To=whatsapp%3A%2B14155550123"
    );

    assert!(accepts("/webhooks/whatsapp/status", &body, "ITHagEZQBxHWznIxpH+G81mQIEQ="));
}

#[test]
fn a_request_without_parameters_is_verified() {
    assert!(accepts("/webhooks/whatsapp", "", "pnt5LsihF7d5p/N4sSndTYWndCo="));
    assert!(!accepts("/webhooks/whatsapp", "a=", "pnt5LsihF7d5p/N4sSndTYWndCo="));
}

fn raw(path_and_query: &str, body: &str, signature: &str) -> Result<(), Refused> {
    let request = Request {
        path_and_query,
        signature: Some(signature.as_bytes()),
        settings: None,
        body: body.as_bytes(),
    };
    Verifier::new([TOKEN], [BASE]).raw(&request).map(|body| assert_eq!(*body, request.body))
}

#[test]
fn a_json_body_must_have_the_hash_of_its_url() {
    let hash = "d5729c000e5de6b3a10698fec78d482db85d744f1be820d1382b6bda1cfb7795";
    let path = format!("/webhooks/json?bodySHA256={hash}");
    let signature = "4+BsK6sPv/zbDNUld/bT4LToQWQ=";
    let body = r#"{"property":"value","boolean":true}"#;

    assert_eq!(raw(&path, body, signature), Ok(()));
    assert_eq!(raw(&path, "{}", signature), Err(Refused::Forged));
    assert_eq!(raw(&path, "", signature), Err(Refused::Forged));
    assert_eq!(raw("/webhooks/json", body, signature), Err(Refused::Forged));
}

#[test]
fn a_get_is_signed_by_its_url_and_has_no_body() {
    let path = "/webhooks/whatsapp?MessageSid=SM1&Body=hi%20there";
    let signature = "PYslG3QmWd7ZzHMBdc0MvKhhK1o=";

    assert_eq!(raw(path, "", signature), Ok(()));
    assert_eq!(raw(path, "anything", signature), Err(Refused::Forged));
}

#[test]
fn either_token_and_any_public_url_may_have_signed() {
    let request = Request {
        path_and_query: CALL_PATH,
        signature: Some(CALL_SIGNATURE.as_bytes()),
        settings: None,
        body: CALL.as_bytes(),
    };
    let verify = |tokens: &[&'static str], bases: &[&'static str]| {
        Verifier::new(tokens.iter().copied(), bases.iter().copied()).form(&request)
    };

    assert!(verify(&["new", "12345"], &["https://a.example", "https://mycompany.com"]).is_ok());
    assert!(verify(&["12345", "old"], &["https://mycompany.com", "https://a.example"]).is_ok());
    assert_eq!(verify(&["new"], &["https://mycompany.com"]), Err(Refused::Forged));
    assert_eq!(verify(&[], &["https://mycompany.com"]), Err(Refused::Forged));
    assert_eq!(verify(&["12345"], &[]), Err(Refused::Forged));
}

#[test]
fn an_empty_token_signs_nothing() {
    let mac = Hmac::<Sha1>::new_from_slice(b"").unwrap().chain_update(b"https://a.example/x");
    let signature = STANDARD.encode(mac.finalize().into_bytes());

    assert_eq!(verify("", "https://a.example", "/x", "", &signature), Err(Refused::Forged));
}

#[test]
fn what_is_no_signature_is_refused() {
    let cut = &CALL_SIGNATURE[..CALL_SIGNATURE.len() - 4];
    let longer = format!("{CALL_SIGNATURE}AAAA");
    for signature in
        ["", "=", "not base64!", cut, &longer, "\u{0}\u{ff}", CALL_SIGNATURE_WITH_PORT, "AAAA"]
    {
        let verdict = verify("12345", "https://mycompany.com:8443", CALL_PATH, CALL, signature);
        assert_eq!(verdict, Err(Refused::Forged), "{signature}");
    }
    let unsigned =
        Request { path_and_query: CALL_PATH, signature: None, settings: None, body: b"" };
    assert_eq!(Verifier::new([TOKEN], [BASE]).form(&unsigned), Err(Refused::Unsigned));
}

#[test]
fn another_algorithm_is_refused_even_when_the_token_signed_by_it() {
    let body = message();
    let with = |settings: &'static str, signature: &'static str| {
        Verifier::new([TOKEN], [BASE]).form(&Request {
            path_and_query: "/webhooks/whatsapp",
            signature: Some(signature.as_bytes()),
            settings: Some(settings.as_bytes()),
            body: body.as_bytes(),
        })
    };
    let by_sha256 = "q0oBWXmwiJHx5yB5wr4ICZS8LNy5xl4JQxl8V6gAtgo=";
    let by_sha1 = "49E/hbybaeHseEIXeRtDwFuAyZA=";

    for settings in
        ["key=k,algorithm=HMAC_SHA256", "algorithm=none", "algorithm=HMAC_SHA1,algorithm=x"]
    {
        assert_eq!(with(settings, by_sha256), Err(Refused::Algorithm), "{settings}");
        assert_eq!(with(settings, by_sha1), Err(Refused::Algorithm), "{settings}");
    }
    for settings in ["", "key=k", "algorithm=", "algorithm=hmac_sha1"] {
        assert!(with(settings, by_sha1).is_ok(), "{settings}");
        assert_eq!(with(settings, by_sha256), Err(Refused::Forged), "{settings}");
    }
}

#[test]
fn ports_are_told_from_passwords_and_ipv6_addresses() {
    let both = |base: &str| spellings(base).join(" ");

    assert_eq!(both("http://a.example"), "http://a.example http://a.example:80");
    assert_eq!(
        both("https://a:b@a.example/p/"),
        "https://a:b@a.example/p https://a:b@a.example:443/p"
    );
    assert_eq!(both("https://a:b@a.example:1"), "https://a:b@a.example https://a:b@a.example:1");
    assert_eq!(both("https://[::1]"), "https://[::1] https://[::1]:443");
    assert_eq!(both("https://[::1]:80/p"), "https://[::1]/p https://[::1]:80/p");
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic_or_pass(
        path_and_query in "\\PC*",
        signature in prop::option::of(prop::collection::vec(any::<u8>(), 0..64)),
        settings in prop::option::of(prop::collection::vec(any::<u8>(), 0..64)),
        body in prop::collection::vec(any::<u8>(), 0..512),
    ) {
        let request = Request {
            path_and_query: &path_and_query,
            signature: signature.as_deref(),
            settings: settings.as_deref(),
            body: &body,
        };
        let verifier = Verifier::new([TOKEN], [BASE]);
        prop_assert!(verifier.form(&request).is_err());
        prop_assert!(verifier.raw(&request).is_err());
    }

    #[test]
    fn a_changed_byte_of_the_decoded_form_or_url_is_refused(at in any::<prop::sample::Index>(), bit in 0..8_u32) {
        let path = "/webhooks/whatsapp".to_owned();
        let mut bytes = [path.as_bytes(), message().as_bytes()].concat();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let (changed_path, body) = bytes.split_at(path.len());
        let Ok(changed_path) = std::str::from_utf8(changed_path) else { return Ok(()) };
        let same = changed_path == path && pairs(body) == pairs(message().as_bytes());
        let request = Request {
            path_and_query: changed_path,
            signature: Some(b"49E/hbybaeHseEIXeRtDwFuAyZA="),
            settings: None,
            body,
        };
        // `%c2` is `%C2`: the same form in other letters is the same form.
        let verdict = Verifier::new([TOKEN], [BASE]).form(&request);
        prop_assert!(verdict.is_err() || same, "byte {at}");
    }
}
