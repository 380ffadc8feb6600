//! The WhatsApp account at Twilio: who we are there, and under which URLs it reaches us.

use clap::Args;
use secrecy::{ExposeSecret as _, SecretString};

use super::{PublicUrlSettings, base_url};
use crate::run::SettingsError;

const CHANNEL: &str = "whatsapp:";

/// The account at Twilio, and where it calls us.
#[derive(Debug, Clone, Args)]
pub struct TwilioSettings {
    /// Twilio account as AC and 32 hexadecimal digits
    #[arg(long, env = "TWILIO_ACCOUNT_SID")]
    pub twilio_account_sid: Option<String>,
    /// Auth token of the Twilio account: it signs webhooks and opens the API
    #[arg(long, env = "TWILIO_AUTH_TOKEN", hide_env_values = true)]
    pub twilio_auth_token: Option<SecretString>,
    /// A second auth token whose signatures count too, during a rotation
    #[arg(long, env = "TWILIO_AUTH_TOKEN_SECONDARY", hide_env_values = true)]
    pub twilio_auth_token_secondary: Option<SecretString>,
    /// Our WhatsApp sender as whatsapp:+15551234567
    #[arg(long, env = "TWILIO_WHATSAPP_FROM")]
    pub twilio_whatsapp_from: Option<String>,
    /// Where Twilio's API is
    #[arg(long, env = "TWILIO_API_BASE_URL", default_value = "https://api.twilio.com")]
    pub twilio_api_base_url: String,
    #[command(flatten)]
    pub public: PublicUrlSettings,
}

/// A complete and plausible [`TwilioSettings`].
#[derive(Debug, Clone)]
pub struct TwilioAccount {
    pub account_sid: String,
    pub auth_token: SecretString,
    /// Accepted on webhooks beside the first, never used to call.
    pub auth_token_secondary: Option<SecretString>,
    /// Our own address, as Twilio writes it.
    pub whatsapp_from: String,
    /// Without a trailing slash.
    pub api_base_url: String,
    /// Never empty, without trailing slashes. All count for signatures; the first is
    /// where Twilio is told to call.
    pub public_base_urls: Vec<String>,
}

impl TwilioSettings {
    /// The account for a service that does nothing without it.
    pub fn required(&self) -> Result<TwilioAccount, SettingsError> {
        let missing = |name: &str| SettingsError(format!("{name} is required for WhatsApp"));
        let sid = self.twilio_account_sid.as_ref();
        let sid = sid.ok_or_else(|| missing("TWILIO_ACCOUNT_SID"))?;
        let token = self.twilio_auth_token.as_ref();
        let token = token.ok_or_else(|| missing("TWILIO_AUTH_TOKEN"))?;
        let from = self.twilio_whatsapp_from.as_ref();
        let from = from.ok_or_else(|| missing("TWILIO_WHATSAPP_FROM"))?;
        let wrong = |text: &str| Err(SettingsError(text.to_owned()));
        if !is_account_sid(sid) {
            return wrong("TWILIO_ACCOUNT_SID must be AC and 32 hexadecimal digits");
        }
        let tokens = std::iter::once(token).chain(&self.twilio_auth_token_secondary);
        // Anybody can sign with an empty key.
        if tokens.into_iter().any(|token| token.expose_secret().trim().is_empty()) {
            return wrong("TWILIO_AUTH_TOKEN and TWILIO_AUTH_TOKEN_SECONDARY must not be empty");
        }
        if !is_sender(from) {
            return wrong("TWILIO_WHATSAPP_FROM must be like whatsapp:+15551234567");
        }
        let Some(api_base_url) = base_url(&self.twilio_api_base_url) else {
            return wrong("TWILIO_API_BASE_URL must be like https://api.twilio.com");
        };
        let urls = self.public.public_base_url.iter().map(|url| base_url(url));
        let public_base_urls = urls.collect::<Option<Vec<_>>>().filter(|urls| !urls.is_empty());
        let Some(public_base_urls) = public_base_urls else {
            return wrong("PUBLIC_BASE_URL must be like https://support.example.com");
        };
        Ok(TwilioAccount {
            account_sid: sid.clone(),
            auth_token: token.clone(),
            auth_token_secondary: self.twilio_auth_token_secondary.clone(),
            whatsapp_from: from.clone(),
            api_base_url,
            public_base_urls,
        })
    }

    /// The account, or `None` where no WhatsApp is set up. Half an account is refused.
    pub fn optional(&self) -> Result<Option<TwilioAccount>, SettingsError> {
        let is_set_up = self.twilio_account_sid.is_some()
            || self.twilio_auth_token.is_some()
            || self.twilio_auth_token_secondary.is_some()
            || self.twilio_whatsapp_from.is_some();
        if is_set_up { self.required().map(Some) } else { Ok(None) }
    }
}

fn is_account_sid(text: &str) -> bool {
    let digits = text.strip_prefix("AC").unwrap_or_default();
    digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn is_sender(text: &str) -> bool {
    let digits = text.strip_prefix(CHANNEL).and_then(|number| number.strip_prefix('+'));
    let digits = digits.unwrap_or_default();
    (7..=15).contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && !digits.starts_with('0')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete() -> TwilioSettings {
        TwilioSettings {
            twilio_account_sid: Some(format!("AC{}", "0a".repeat(16))),
            twilio_auth_token: Some("hunter2".into()),
            twilio_auth_token_secondary: None,
            twilio_whatsapp_from: Some("whatsapp:+14155238886".to_owned()),
            twilio_api_base_url: "https://api.twilio.com/".to_owned(),
            public: PublicUrlSettings {
                public_base_url: vec![
                    "https://support.example.com/".to_owned(),
                    " https://old.example.com/x".to_owned(),
                ],
            },
        }
    }

    fn refused(change: impl FnOnce(&mut TwilioSettings)) -> String {
        let mut settings = complete();
        change(&mut settings);
        let error = settings.required().unwrap_err().to_string();
        assert!(settings.optional().is_err(), "{error}");
        assert!(!error.contains("hunter2") && !error.contains('\n'), "{error}");
        error
    }

    #[test]
    fn a_complete_account_has_its_urls_without_slashes() {
        let account = complete().required().unwrap();

        assert_eq!(account.api_base_url, "https://api.twilio.com");
        assert_eq!(
            account.public_base_urls,
            ["https://support.example.com", "https://old.example.com/x"]
        );
        assert!(!format!("{account:?} {:?}", complete()).contains("hunter2"));
    }

    #[test]
    fn no_account_is_one_choice_and_half_an_account_is_refused_by_name() {
        let mut none = complete();
        none.twilio_account_sid = None;
        none.twilio_auth_token = None;
        none.twilio_whatsapp_from = None;
        assert!(none.optional().unwrap().is_none());
        assert!(none.required().unwrap_err().to_string().contains("TWILIO_ACCOUNT_SID"));

        assert!(refused(|s| s.twilio_account_sid = None).contains("TWILIO_ACCOUNT_SID"));
        assert!(refused(|s| s.twilio_auth_token = None).contains("TWILIO_AUTH_TOKEN"));
        assert!(refused(|s| s.twilio_whatsapp_from = None).contains("TWILIO_WHATSAPP_FROM"));
        none.twilio_auth_token_secondary = Some("alone".into());
        assert!(none.optional().is_err());
    }

    #[test]
    fn what_cannot_be_right_is_refused_by_name() {
        for sid in
            ["AC1", "XX0123456789abcdef0123456789abcdef", "ACg123456789abcdef0123456789abcdef"]
        {
            assert!(
                refused(|s| s.twilio_account_sid = Some(sid.to_owned())).contains("ACCOUNT_SID")
            );
        }
        assert!(refused(|s| s.twilio_auth_token = Some(" ".into())).contains("AUTH_TOKEN"));
        assert!(refused(|s| s.twilio_auth_token_secondary = Some("".into())).contains("SECONDARY"));
        for from in ["+14155238886", "whatsapp:14155238886", "whatsapp:+1415523888x", "whatsapp:+"]
        {
            let error = refused(|s| s.twilio_whatsapp_from = Some(from.to_owned()));
            assert!(error.contains("TWILIO_WHATSAPP_FROM"), "{from}");
        }
        for url in ["", "support.example.com", "https://", "https://a/?b", "https://a/#b"] {
            let error = refused(|s| s.public.public_base_url.push(url.to_owned()));
            assert!(error.contains("PUBLIC_BASE_URL"), "{url}");
            let error = refused(|s| s.twilio_api_base_url = url.to_owned());
            assert!(error.contains("TWILIO_API_BASE_URL"), "{url}");
        }
        assert!(refused(|s| s.public.public_base_url.clear()).contains("PUBLIC_BASE_URL"));
    }
}
