//! An ingress under test, and a Twilio that calls it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, Request, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chassis::settings::TwilioAccount;
use chrono::{DateTime, Utc};
use contract::{DeadLetter, WhatsappBody, WhatsappInbound, WhatsappMessage, WhatsappStatus};
use hmac::{Hmac, KeyInit as _, Mac as _};
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sha1::Sha1;
use testkit::RecordingPublisher;
use tower::ServiceExt as _;
use whatsapp_ingress::{Ingress, Parts, router};

pub(crate) const TOKEN: &str = "0123456789abcdef0123456789abcdef";
pub(crate) const ORIGIN: &str = "https://support.example.com";
pub(crate) const MESSAGES: &str = "/webhooks/whatsapp";
pub(crate) const STATUSES: &str = "/webhooks/whatsapp/status";
pub(crate) const FORM: &str = "application/x-www-form-urlencoded; charset=UTF-8";

pub(crate) const ACCOUNT: &str = "AC00000000000000000000000000000001";
pub(crate) const SID: &str = "SM00000000000000000000000000000001";
pub(crate) const US: &str = "whatsapp:+14155238886";
pub(crate) const SAM: &str = "whatsapp:+14155550123";

pub(crate) type Fields<'a> = Vec<(&'a str, &'a str)>;

/// One replica.
pub(crate) struct App {
    pub(crate) router: Router,
    pub(crate) publisher: RecordingPublisher,
    registry: prometheus::Registry,
    _meters: SdkMeterProvider,
    time: Arc<Mutex<DateTime<Utc>>>,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl App {
    pub(crate) fn new() -> Self {
        Self::with(|_| ())
    }

    pub(crate) fn with(change: impl FnOnce(&mut Parts)) -> Self {
        crate::logs::install();
        let publisher = RecordingPublisher::new();
        let time = Arc::new(Mutex::new("2026-01-05T12:00:00.25Z".parse().unwrap()));
        let now = Arc::clone(&time);
        let registry = prometheus::Registry::new();
        let exporter = opentelemetry_prometheus::exporter().with_registry(registry.clone());
        let meters = SdkMeterProvider::builder().with_reader(exporter.build().unwrap()).build();
        let mut parts = Parts {
            publisher: publisher.shared(),
            account: account(),
            clock: Arc::new(move || *now.lock().unwrap()),
            body_timeout: Duration::from_secs(5),
            meter: meters.meter("test"),
            refusals: whatsapp_ingress::refusals(vec![ORIGIN.to_owned()]).0,
        };
        change(&mut parts);
        let router = chassis::http::public(router(Ingress::from(parts)));
        Self { router, publisher, registry, _meters: meters, time }
    }

    pub(crate) fn set_time(&self, text: &str) {
        *self.time.lock().unwrap() = text.parse().unwrap();
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        let body = String::from_utf8(body.to_vec()).expect("answers are UTF-8");
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// A message as Twilio sends it, some of its fields changed.
    pub(crate) async fn message(&self, changes: &[(&str, &str)]) -> Answer {
        self.send(signed(MESSAGES, &message(changes))).await
    }

    /// A status callback as Twilio sends it, some of its fields changed.
    pub(crate) async fn status(&self, query: &str, changes: &[(&str, &str)]) -> Answer {
        self.send(signed(&format!("{STATUSES}{query}"), &status(changes))).await
    }

    pub(crate) fn events(&self) -> Vec<WhatsappInbound> {
        self.publisher.events()
    }

    pub(crate) fn letters(&self) -> Vec<DeadLetter> {
        self.publisher.events()
    }

    /// The one message that arrived.
    pub(crate) fn only_message(&self) -> WhatsappMessage {
        let [event] = self.events().try_into().unwrap();
        let WhatsappBody::Message(message) = event.body else { panic!("{event:?}") };
        message
    }

    /// The one status that arrived.
    pub(crate) fn only_status(&self) -> WhatsappStatus {
        let [event] = self.events().try_into().unwrap();
        let WhatsappBody::Status(status) = event.body else { panic!("{event:?}") };
        status
    }

    /// Asserts that the log has nothing and was not even asked.
    #[track_caller]
    pub(crate) fn assert_nothing_published(&self) {
        assert_eq!(self.publisher.calls(), 0);
    }

    /// The counters as Prometheus reads them.
    pub(crate) fn metrics(&self) -> String {
        prometheus::TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap()
    }
}

impl Answer {
    #[track_caller]
    pub(crate) fn assert_taken(&self) {
        assert_eq!((self.status.as_u16(), self.body.as_str()), (204, ""));
    }

    /// Asserts a problem document of this status.
    #[track_caller]
    pub(crate) fn assert_problem(&self, status: u16) {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        assert_eq!(self.headers["content-type"], "application/problem+json");
        let problem: serde_json::Value = serde_json::from_str(&self.body).unwrap();
        assert_eq!(problem["status"], status);
    }
}

pub(crate) fn account() -> TwilioAccount {
    TwilioAccount {
        account_sid: ACCOUNT.to_owned(),
        auth_token: TOKEN.into(),
        auth_token_secondary: None,
        whatsapp_from: US.to_owned(),
        api_base_url: "https://api.twilio.com".to_owned(),
        public_base_urls: vec![ORIGIN.to_owned()],
    }
}

pub(crate) fn message<'a>(changes: &[(&'a str, &'a str)]) -> Fields<'a> {
    let fields = vec![
        ("SmsMessageSid", SID),
        ("NumMedia", "0"),
        ("ProfileName", "Sam Doe"),
        ("MessageType", "text"),
        ("SmsSid", SID),
        ("WaId", "14155550123"),
        ("SmsStatus", "received"),
        ("Body", "¿Dónde está mi pedido? 📦 A&B=100%"),
        ("ButtonPayload", ""),
        ("To", US),
        ("NumSegments", "1"),
        ("MessageSid", SID),
        ("AccountSid", ACCOUNT),
        ("From", SAM),
        ("ApiVersion", "2010-04-01"),
    ];
    changed(fields, changes)
}

pub(crate) fn status<'a>(changes: &[(&'a str, &'a str)]) -> Fields<'a> {
    let fields = vec![
        ("SmsSid", SID),
        ("SmsStatus", "delivered"),
        ("MessageStatus", "delivered"),
        ("ChannelToAddress", "+1415555XXXX"),
        ("To", SAM),
        ("ChannelPrefix", "whatsapp"),
        ("MessageSid", SID),
        ("AccountSid", ACCOUNT),
        ("From", US),
        ("ApiVersion", "2010-04-01"),
    ];
    changed(fields, changes)
}

fn changed<'a>(mut fields: Fields<'a>, changes: &[(&'a str, &'a str)]) -> Fields<'a> {
    fields.retain(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
    fields.extend(changes);
    fields
}

/// As Twilio writes a form.
pub(crate) fn encoded(fields: &[(&str, &str)]) -> String {
    let encode =
        |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string().replace("%20", "+");
    let pairs = fields.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value)));
    pairs.collect::<Vec<_>>().join("&")
}

/// Twilio's signature: the URL, then every name and value once, sorted.
pub(crate) fn signature(token: &str, url: &str, fields: &[(&[u8], &[u8])]) -> String {
    let mut fields = fields.to_vec();
    fields.sort_unstable();
    fields.dedup();
    let mut mac = Hmac::<Sha1>::new_from_slice(token.as_bytes()).unwrap();
    mac.update(url.as_bytes());
    for (name, value) in fields {
        mac.update(name);
        mac.update(value);
    }
    STANDARD.encode(mac.finalize().into_bytes())
}

/// A call signed with this token for this origin.
pub(crate) fn signed_by(
    token: &str,
    origin: &str,
    path_and_query: &str,
    fields: &[(&str, &str)],
) -> Request<Body> {
    let bytes: Vec<_> =
        fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    let signature = signature(token, &format!("{origin}{path_and_query}"), &bytes);
    call(path_and_query, &signature, encoded(fields))
}

pub(crate) fn signed(path_and_query: &str, fields: &[(&str, &str)]) -> Request<Body> {
    signed_by(TOKEN, ORIGIN, path_and_query, fields)
}

/// A call with this header for a signature.
pub(crate) fn call(path_and_query: &str, signature: &str, body: impl Into<Body>) -> Request<Body> {
    Request::post(path_and_query)
        .header(CONTENT_TYPE, FORM)
        .header("X-Twilio-Signature", signature)
        .header("I-Twilio-Idempotency-Token", "11111111-2222-4333-8444-555555555555")
        .body(body.into())
        .unwrap()
}

/// The signature of the usual message.
pub(crate) fn usual_signature() -> String {
    let fields = message(&[]);
    let bytes: Vec<_> =
        fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    signature(TOKEN, &format!("{ORIGIN}{MESSAGES}"), &bytes)
}
