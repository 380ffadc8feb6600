//! The accounts at providers, for the files that lie there.

use channels::gmail::{self, GmailClient};
use channels::handoff::addresses::system_lookup;
use channels::twilio::media::{self, MediaClient};
use channels::twilio::webhook::Ours;
use chassis::SettingsError;

use crate::{Config, Files};

/// Quota units a minute, beside those of the services that read and send: ten mails.
const UNITS_PER_MINUTE: u32 = 200;

/// The files that the settings give access to.
pub(crate) fn files(config: &Config) -> Result<Files, SettingsError> {
    Ok(Files::new(twilio(config)?, gmail(config)?))
}

fn twilio(config: &Config) -> Result<Option<MediaClient>, SettingsError> {
    let Some(account) = config.twilio.optional()? else { return Ok(None) };
    let client = MediaClient::new(media::Settings {
        ours: Ours {
            account_sid: account.account_sid,
            address: account.whatsapp_from,
            api_base_url: account.api_base_url,
        },
        auth_token: account.auth_token,
        allows_loopback: config.outbound.allow_loopback,
        retry_pauses: media::RETRY_PAUSES,
        lookup: system_lookup(),
    });
    let client = client.ok_or_else(|| SettingsError("the http client cannot be made".to_owned()));
    client.map(Some)
}

fn gmail(config: &Config) -> Result<Option<GmailClient>, SettingsError> {
    let Some(account) = config.gmail.optional()? else { return Ok(None) };
    let client = GmailClient::new(&gmail::Settings {
        client_id: account.client_id,
        client_secret: account.client_secret,
        refresh_token: account.refresh_token,
        api_base_url: account.api_base_url,
        token_url: account.token_url,
        allows_loopback: config.outbound.allow_loopback,
        request_limit: gmail::REQUEST_LIMIT,
        units_per_minute: UNITS_PER_MINUTE,
    });
    client.map(Some).map_err(|error| SettingsError(error.to_string()))
}
