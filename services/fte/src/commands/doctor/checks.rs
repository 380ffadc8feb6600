//! The checks of `fte doctor`. None changes anything, and none shows a secret.

use std::time::Duration;

use channels::gmail::{self, GmailClient};
use channels::handoff::addresses::system_lookup;
use channels::handoff::endpoint::{self, Endpoint};
use channels::handoff::signature::Secrets;
use channels::twilio::client::{self, TwilioClient};
use chassis::settings::{BusSettings, GmailSettings, OutboundSettings, TwilioSettings};
use secrecy::ExposeSecret as _;
use sqlx::PgPool;
use store::{channel_configs, mailboxes, refused_webhooks, schema};

use super::Arguments;
use super::Finding::{self, Fail, Fine, Warn};
use crate::topics::{self, Profile};

/// Longest wait for one answer; a person is watching.
const PATIENCE: Duration = Duration::from_secs(10);

/// A watch lasts a week and is renewed every day.
const SHORT_WATCH_S: i64 = 2 * 24 * 3600;

/// Quota units a minute: one question.
const UNITS: u32 = 100;

/// Refused webhooks shown.
const MOST_REFUSED: i64 = 3;

pub(super) async fn database(pool: &PgPool) -> Finding {
    match tokio::time::timeout(PATIENCE, schema::pending(pool)).await {
        Err(_) => Fail("no answer: check DATABASE_URL and that PostgreSQL runs".to_owned()),
        Ok(Err(error)) => Fail(format!(
            "{error}: check DATABASE_URL and that PostgreSQL runs; new tables come by `fte migrate`"
        )),
        Ok(Ok(0)) => Fine("it answers, and its tables are up to date".to_owned()),
        Ok(Ok(n)) => Fail(format!("{n} migrations are missing: run `fte migrate`")),
    }
}

pub(super) async fn log(settings: &BusSettings, pool: &PgPool) -> Finding {
    let looked = async {
        let bus = settings.connect(pool).await?;
        bus.ping().await?;
        anyhow::Ok((
            bus.plan_topics(&topics::read(None, Profile::Production)?).await?,
            bus.plan_topics(&topics::read(None, Profile::Local)?).await?,
        ))
    };
    match tokio::time::timeout(PATIENCE, looked).await {
        Err(_) => Fail("no answer: check KAFKA_BOOTSTRAP_SERVERS".to_owned()),
        Ok(Err(error)) => Fail(format!("{error:#}: check FTE_BUS and KAFKA_BOOTSTRAP_SERVERS")),
        Ok(Ok((production, local))) if production.is_empty() || local.is_empty() => {
            Fine("it answers, and its topics are as declared".to_owned())
        }
        Ok(Ok((production, _))) => {
            Warn(format!("{} differences to topics.yaml: see `fte topics plan`", production.len()))
        }
    }
}

pub(super) async fn channels(pool: &PgPool) -> Finding {
    let read = match channel_configs::read(pool).await {
        Ok(read) => read,
        Err(error) => return Fail(error.to_string()),
    };
    let mut off = Vec::new();
    for row in read {
        match row {
            Ok((channel, config)) if !config.enabled => off.push(channel.as_str()),
            Ok(_) => {}
            Err((channel, wrong)) => {
                let channel = channel.as_str();
                return Fail(format!(
                    "{channel}: {wrong}: set it with `fte channels set {channel}`"
                ));
            }
        }
    }
    if off.is_empty() {
        return Fine("all enabled".to_owned());
    }
    let off = off.join(", ");
    Warn(format!("switched off, answers wait: {off} (`fte channels set <channel> enabled=true`)"))
}

pub(super) fn public_url(settings: &TwilioSettings) -> Finding {
    let url = settings.public.first();
    if url.starts_with("https://") {
        return Fine(format!("{url}: providers must be told exactly this"));
    }
    Warn(format!("{url}: providers call https only; set PUBLIC_BASE_URL to what they were told"))
}

pub(super) async fn twilio(settings: &TwilioSettings, outbound: OutboundSettings) -> Finding {
    let account = match settings.optional() {
        Ok(Some(account)) => account,
        Ok(None) => return Fine("not set up (TWILIO_ACCOUNT_SID)".to_owned()),
        Err(error) => return Fail(error.to_string()),
    };
    let client = TwilioClient::new(client::Settings {
        account_sid: account.account_sid,
        auth_token: account.auth_token,
        api_base_url: account.api_base_url,
        sender: account.whatsapp_from,
        public_base_url: account.public_base_urls.into_iter().next().unwrap_or_default(),
        allows_loopback: outbound.allow_loopback,
        request_limit: PATIENCE,
    });
    let client = match client {
        Ok(client) => client,
        Err(error) => return Fail(error.to_string()),
    };
    match client.inbox(chassis::clock::now(), None).await {
        Ok(_) => Fine("Twilio knows the account and its token".to_owned()),
        Err(error) => Fail(format!(
            "{error}: check TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN and TWILIO_API_BASE_URL"
        )),
    }
}

pub(super) async fn gmail(
    settings: &GmailSettings,
    outbound: OutboundSettings,
    pool: &PgPool,
) -> Finding {
    let account = match settings.optional() {
        Ok(Some(account)) => account,
        Ok(None) => return Fine("not set up (GMAIL_ADDRESS)".to_owned()),
        Err(error) => return Fail(error.to_string()),
    };
    let client = GmailClient::new(&gmail::Settings {
        client_id: account.client_id,
        client_secret: account.client_secret,
        refresh_token: account.refresh_token,
        api_base_url: account.api_base_url,
        token_url: account.token_url,
        allows_loopback: outbound.allow_loopback,
        request_limit: PATIENCE,
        units_per_minute: UNITS,
    });
    let client = match client {
        Ok(client) => client,
        Err(error) => return Fail(error.to_string()),
    };
    match client.profile().await {
        Ok(profile) if profile.email_address.to_lowercase() != account.address => {
            return Fail("the refresh token is of another mailbox than GMAIL_ADDRESS".to_owned());
        }
        Ok(_) => {}
        Err(error) => {
            return Fail(format!(
                "{error}: check GMAIL_CLIENT_ID, GMAIL_CLIENT_SECRET and GMAIL_REFRESH_TOKEN"
            ));
        }
    }
    let mailbox = mailboxes::find(pool, &account.address).await;
    match mailbox.map(|mailbox| mailbox.and_then(|mailbox| mailbox.watch_lasts_s)) {
        Err(error) => Fail(error.to_string()),
        Ok(None) => Warn("the mailbox answers; no watch yet: does gmail-ingress run?".to_owned()),
        Ok(Some(lasts)) if lasts < SHORT_WATCH_S => {
            let hours = lasts / 3600;
            Fail(format!("the watch ends in {hours} h and is not renewed: see gmail-ingress' log"))
        }
        Ok(Some(lasts)) => {
            Fine(format!("the mailbox answers; its watch lasts {} days", lasts / (24 * 3600)))
        }
    }
}

pub(super) fn pubsub(arguments: &Arguments) -> Finding {
    let values = [
        ("PUBSUB_AUDIENCE", &arguments.pubsub_audience),
        ("PUBSUB_SERVICE_ACCOUNT", &arguments.pubsub_service_account),
        ("PUBSUB_TOPIC", &arguments.pubsub_topic),
    ];
    let is_set =
        |value: &&Option<String>| value.as_ref().is_some_and(|text| !text.trim().is_empty());
    let missing: Vec<_> =
        values.iter().filter(|(_, value)| !is_set(value)).map(|(name, _)| *name).collect();
    match missing.len() {
        0 => {}
        3 => return Fine("not set up (PUBSUB_AUDIENCE)".to_owned()),
        _ => return Fail(format!("set {}", missing.join(" and "))),
    }
    let push = format!("{}/webhooks/gmail", arguments.twilio.public.first());
    let audience = arguments.pubsub_audience.as_deref().unwrap_or_default();
    if audience == push {
        return Fine(format!("pushes are expected for {push}"));
    }
    Warn(format!("PUBSUB_AUDIENCE is {audience}, not {push}: the subscription must say the same"))
}

pub(super) fn hand_off(arguments: &Arguments) -> Finding {
    let (url, secret) = (&arguments.handoff_webhook_url, &arguments.handoff_webhook_secret);
    let (url, secret) = match (url, secret) {
        (None, None) => return Fine("no webhook: hand-offs wait in `fte inbox`".to_owned()),
        (None, Some(_)) => return Fail("set HANDOFF_WEBHOOK_URL".to_owned()),
        (Some(_), None) => return Fail("set HANDOFF_WEBHOOK_SECRET".to_owned()),
        (Some(url), Some(secret)) => (url.expose_secret(), secret.expose_secret()),
    };
    let secrets = match Secrets::parse(secret) {
        Ok(secrets) => secrets,
        Err(error) => return Fail(format!("HANDOFF_WEBHOOK_SECRET {error}")),
    };
    let endpoint = Endpoint::new(endpoint::Settings {
        url: url.to_owned(),
        secrets,
        allows_loopback: arguments.outbound.allow_loopback,
        request_limit: PATIENCE,
        lookup: system_lookup(),
    });
    match endpoint {
        Ok(_) => Fine("the webhook's URL may be called".to_owned()),
        Err(error) => Fail(format!("HANDOFF_WEBHOOK_URL {error}")),
    }
}

pub(super) async fn refused(pool: &PgPool) -> Finding {
    let kept = match refused_webhooks::newest(pool, MOST_REFUSED).await {
        Ok(kept) => kept,
        Err(error) => return Fail(error.to_string()),
    };
    if kept.is_empty() {
        return Fine("none was refused because of its signature".to_owned());
    }
    let shown = kept.iter().map(|one| {
        let urls: Vec<_> =
            one.public_urls.iter().map(|url| format!("{url}{}", one.route)).collect();
        format!(
            "\n        {} {}, tried as {}, parameters {}",
            one.at.format("%Y-%m-%d %H:%M:%S"),
            one.reason,
            urls.join(" and "),
            one.parameters.join(" ")
        )
    });
    Warn(format!(
        "refused because of their signature: is the URL at the provider one of PUBLIC_BASE_URL, \
         and the token its own?{}",
        shown.collect::<String>()
    ))
}
