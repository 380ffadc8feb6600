//! The mailbox that replies go out from, and the tasks that use it.

use std::sync::Arc;
use std::time::Duration;

use bus::Bus;
use channels::gmail::{self, GmailClient, QUOTA_FOR_SENDING};
use chassis::SettingsError;
use chassis::settings::GmailAccount;
use chassis::status_token::StatusTokens;
use contract::Topic;
use secrecy::ExposeSecret as _;
use tokio_util::sync::CancellationToken;

use super::{Bounces, MailRecovery, MailTuning, MailWorker, Ourselves, StatusLinks, StatusMails};
use crate::handoff::HandoffMail;
use crate::{Config, MailSettings, Parts, Tasks, consume};

/// How long one request may take: our mails are short.
pub(crate) const REQUEST_LIMIT: Duration = Duration::from_secs(20);

/// A mailbox that can be reached, and its address.
pub(crate) struct Account {
    client: Arc<GmailClient>,
    address: String,
}

/// The mailbox, where one is set up.
pub(crate) fn account(
    settings: &MailSettings,
    allows_loopback: bool,
) -> Result<Option<Account>, SettingsError> {
    let Some(account) = settings.gmail.optional()? else { return Ok(None) };
    let GmailAccount { address, client_id, client_secret, refresh_token, api_base_url, token_url } =
        account;
    let client = GmailClient::new(&gmail::Settings {
        client_id,
        client_secret,
        refresh_token,
        api_base_url,
        token_url,
        allows_loopback,
        request_limit: REQUEST_LIMIT,
        units_per_minute: QUOTA_FOR_SENDING,
    });
    let client = client.map_err(|error| SettingsError(error.to_string()))?;
    Ok(Some(Account { client: Arc::new(client), address }))
}

/// Starts all that sends by mail, and what hears of it later.
pub(crate) fn start(
    config: &Config,
    parts: Parts,
    account: Account,
    tasks: &mut Tasks,
    bus: &Bus,
    shutdown: &CancellationToken,
) -> anyhow::Result<()> {
    let Parts { pool, outbox, wakers, configs } = parts;
    let Account { client, address } = account;
    let ourselves = Ourselves { name: config.mail.gmail_from_name.clone(), address };
    let recovery = MailRecovery::new(pool.clone(), outbox.clone(), Arc::clone(&client));
    tasks.spawn(recovery.run(shutdown.clone()));
    let bounces = Bounces::new(pool.clone(), outbox.clone());
    consume(Topic::EmailInbound, bounces, tasks, bus, shutdown);
    let origin = config.twilio.public.first().to_owned();
    let (mailbox, us) = (Arc::clone(&client), ourselves.clone());
    let notices = HandoffMail::new(pool.clone(), mailbox, us, origin);
    tasks.spawn(notices.run(shutdown.clone()));
    match &config.mail.secret {
        Some(secret) => {
            let tokens = StatusTokens::new(secret.expose_secret().as_bytes(), None)?;
            let base = config.twilio.public.first().to_owned();
            let links = StatusLinks::new(pool.clone(), ourselves.address.clone());
            consume(Topic::WebformInbound, links, tasks, bus, shutdown);
            let (client, ourselves) = (Arc::clone(&client), ourselves.clone());
            let configs = configs.clone();
            let mails = StatusMails::new(pool.clone(), client, ourselves, tokens, base, configs);
            tasks.spawn(mails.run(shutdown.clone()));
        }
        None => tracing::info!("no FTE_SECRET: no mail tells of a ticket's page"),
    }
    let tuning = MailTuning::default();
    let worker = MailWorker::new(pool, outbox, wakers, client, ourselves, configs, tuning);
    tasks.spawn(worker.run(shutdown.clone()));
    Ok(())
}
