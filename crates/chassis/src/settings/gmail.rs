//! The Gmail mailbox that customers write to, and Pub/Sub, which tells us when it changes.

use clap::Args;
use secrecy::{ExposeSecret as _, SecretString};

use super::base_url;
use crate::run::SettingsError;

/// The mailbox, and how its API is reached.
#[derive(Debug, Clone, Args)]
pub struct GmailSettings {
    /// Address of our Gmail mailbox
    #[arg(long, env = "GMAIL_ADDRESS")]
    pub gmail_address: Option<String>,
    /// OAuth client of the mailbox
    #[arg(long, env = "GMAIL_CLIENT_ID")]
    pub gmail_client_id: Option<String>,
    /// Secret of the OAuth client
    #[arg(long, env = "GMAIL_CLIENT_SECRET", hide_env_values = true)]
    pub gmail_client_secret: Option<SecretString>,
    /// Refresh token with the scope gmail.modify
    #[arg(long, env = "GMAIL_REFRESH_TOKEN", hide_env_values = true)]
    pub gmail_refresh_token: Option<SecretString>,
    /// Where Gmail's API is
    #[arg(long, env = "GMAIL_API_BASE_URL", default_value = "https://gmail.googleapis.com")]
    pub gmail_api_base_url: String,
    /// Where access tokens are fetched
    #[arg(long, env = "GOOGLE_TOKEN_URL", default_value = "https://oauth2.googleapis.com/token")]
    pub google_token_url: String,
}

/// A complete and plausible [`GmailSettings`].
#[derive(Debug, Clone)]
pub struct GmailAccount {
    /// In lower case.
    pub address: String,
    pub client_id: String,
    pub client_secret: SecretString,
    pub refresh_token: SecretString,
    /// Without a trailing slash.
    pub api_base_url: String,
    pub token_url: String,
}

impl GmailSettings {
    /// The account for a service that does nothing without it.
    pub fn required(&self) -> Result<GmailAccount, SettingsError> {
        let missing = |name: &str| SettingsError(format!("{name} is required for e-mail"));
        let address = self.gmail_address.as_ref().ok_or_else(|| missing("GMAIL_ADDRESS"))?;
        let client_id = self.gmail_client_id.as_ref();
        let client_id = client_id.ok_or_else(|| missing("GMAIL_CLIENT_ID"))?;
        let secret = filled(self.gmail_client_secret.as_ref());
        let client_secret = secret.ok_or_else(|| missing("GMAIL_CLIENT_SECRET"))?;
        let token = filled(self.gmail_refresh_token.as_ref());
        let refresh_token = token.ok_or_else(|| missing("GMAIL_REFRESH_TOKEN"))?;
        let wrong = |text: &str| SettingsError(text.to_owned());
        if !is_address(address) {
            return Err(wrong("GMAIL_ADDRESS must be like support@example.com"));
        }
        Ok(GmailAccount {
            address: address.to_lowercase(),
            client_id: client_id.clone(),
            client_secret: client_secret.clone(),
            refresh_token: refresh_token.clone(),
            api_base_url: base_url(&self.gmail_api_base_url)
                .ok_or_else(|| wrong("GMAIL_API_BASE_URL must be like https://host"))?,
            token_url: base_url(&self.google_token_url)
                .ok_or_else(|| wrong("GOOGLE_TOKEN_URL must be like https://host/token"))?,
        })
    }

    /// The account, or `None` where no mailbox is set up. Half an account is refused.
    pub fn optional(&self) -> Result<Option<GmailAccount>, SettingsError> {
        let is_set_up = self.gmail_address.is_some()
            || self.gmail_client_id.is_some()
            || self.gmail_client_secret.is_some()
            || self.gmail_refresh_token.is_some();
        if is_set_up { self.required().map(Some) } else { Ok(None) }
    }
}

/// Who pushes the mailbox's changes to us, and how we know the caller.
#[derive(Debug, Clone, Args)]
pub struct PubsubSettings {
    /// Audience of the tokens of Pub/Sub's push; the push endpoint's URL by default at Google
    #[arg(long, env = "PUBSUB_AUDIENCE")]
    pub pubsub_audience: String,
    /// E-mail of the service account that signs the pushes
    #[arg(long, env = "PUBSUB_SERVICE_ACCOUNT")]
    pub pubsub_service_account: String,
    /// Topic that Gmail publishes to, like projects/our-project/topics/gmail
    #[arg(long, env = "PUBSUB_TOPIC")]
    pub pubsub_topic: String,
    /// Subscription that pushes, like projects/our-project/subscriptions/gmail; pushes of others
    /// are kept aside when it is set
    #[arg(long, env = "PUBSUB_SUBSCRIPTION")]
    pub pubsub_subscription: Option<String>,
    /// Where Google's signing keys are, as a JSON Web Key Set
    #[arg(
        long,
        env = "GOOGLE_CERTS_URL",
        default_value = "https://www.googleapis.com/oauth2/v3/certs"
    )]
    pub google_certs_url: String,
}

impl PubsubSettings {
    /// Refuses by name what cannot be right.
    pub fn checked(mut self) -> Result<Self, SettingsError> {
        let wrong = |text: &str| Err(SettingsError(text.to_owned()));
        // As a variable that a manifest names and nobody has set.
        self.pubsub_subscription.take_if(|name| name.trim().is_empty());
        if self.pubsub_audience.trim().is_empty() {
            return wrong("PUBSUB_AUDIENCE must not be empty");
        }
        if !is_address(&self.pubsub_service_account) {
            return wrong("PUBSUB_SERVICE_ACCOUNT must be an e-mail address");
        }
        if !is_resource(&self.pubsub_topic, "topics") {
            return wrong("PUBSUB_TOPIC must be like projects/<project>/topics/<topic>");
        }
        let subscription = self.pubsub_subscription.as_deref();
        if subscription.is_some_and(|name| !is_resource(name, "subscriptions")) {
            return wrong(
                "PUBSUB_SUBSCRIPTION must be like projects/<project>/subscriptions/<name>",
            );
        }
        if base_url(&self.google_certs_url).is_none() {
            return wrong("GOOGLE_CERTS_URL must be like https://host/certs");
        }
        Ok(self)
    }
}

fn filled(secret: Option<&SecretString>) -> Option<&SecretString> {
    secret.filter(|secret| !secret.expose_secret().trim().is_empty())
}

/// Whether this is a full name at Pub/Sub, of something of this kind.
fn is_resource(name: &str, kind: &str) -> bool {
    let parts: Vec<&str> = name.split('/').collect();
    matches!(parts[..], ["projects", project, given, name]
        if given == kind && !project.is_empty() && !name.is_empty())
}

fn is_address(text: &str) -> bool {
    let plain = !text.chars().any(|c| c.is_control() || c.is_whitespace());
    plain
        && matches!(text.rsplit_once('@'), Some((local, host)) if !local.is_empty() && !host.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete() -> GmailSettings {
        GmailSettings {
            gmail_address: Some("Support@Example.com".to_owned()),
            gmail_client_id: Some("id".to_owned()),
            gmail_client_secret: Some("hunter2".into()),
            gmail_refresh_token: Some("hunter3".into()),
            gmail_api_base_url: "https://gmail.googleapis.com/".to_owned(),
            google_token_url: "https://oauth2.googleapis.com/token".to_owned(),
        }
    }

    fn pubsub() -> PubsubSettings {
        PubsubSettings {
            pubsub_audience: "https://support.example.com/webhooks/gmail".to_owned(),
            pubsub_service_account: "push@project.iam.gserviceaccount.com".to_owned(),
            pubsub_topic: "projects/p/topics/t".to_owned(),
            pubsub_subscription: Some("projects/p/subscriptions/s".to_owned()),
            google_certs_url: "https://www.googleapis.com/oauth2/v3/certs".to_owned(),
        }
    }

    fn refused(change: impl FnOnce(&mut GmailSettings)) -> String {
        let mut settings = complete();
        change(&mut settings);
        assert!(settings.optional().is_err());
        settings.required().unwrap_err().to_string()
    }

    #[test]
    fn a_complete_account_has_a_plain_address_and_hides_its_secrets() {
        let account = complete().required().unwrap();

        assert_eq!(account.address, "support@example.com");
        assert_eq!(account.api_base_url, "https://gmail.googleapis.com");
        assert!(!format!("{account:?} {:?}", complete()).contains("hunter"));
    }

    #[test]
    fn no_mailbox_is_one_choice_and_half_of_one_is_refused_by_name() {
        let mut none = complete();
        (none.gmail_address, none.gmail_client_id) = (None, None);
        (none.gmail_client_secret, none.gmail_refresh_token) = (None, None);

        assert!(none.optional().unwrap().is_none());
        assert!(refused(|s| s.gmail_address = None).contains("GMAIL_ADDRESS"));
        assert!(refused(|s| s.gmail_client_id = None).contains("GMAIL_CLIENT_ID"));
        assert!(refused(|s| s.gmail_client_secret = Some(" ".into())).contains("CLIENT_SECRET"));
        assert!(refused(|s| s.gmail_refresh_token = None).contains("GMAIL_REFRESH_TOKEN"));
        assert!(refused(|s| s.gmail_address = Some("support".into())).contains("GMAIL_ADDRESS"));
        assert!(refused(|s| s.gmail_api_base_url = String::new()).contains("GMAIL_API_BASE_URL"));
        assert!(refused(|s| s.google_token_url = "x".into()).contains("GOOGLE_TOKEN_URL"));
    }

    #[test]
    fn a_topic_an_account_and_an_audience_are_checked_by_name() {
        let refused = |change: fn(&mut PubsubSettings)| {
            let mut settings = pubsub();
            change(&mut settings);
            settings.checked().unwrap_err().to_string()
        };

        assert!(pubsub().checked().is_ok());
        assert!(refused(|s| s.pubsub_audience = " ".into()).contains("PUBSUB_AUDIENCE"));
        assert!(refused(|s| s.pubsub_service_account = "x".into()).contains("SERVICE_ACCOUNT"));
        assert!(refused(|s| s.pubsub_topic = "topics/t".into()).contains("PUBSUB_TOPIC"));
        assert!(refused(|s| s.google_certs_url = "x".into()).contains("GOOGLE_CERTS_URL"));
        let wrong = |s: &mut PubsubSettings| s.pubsub_subscription = Some("gmail".into());
        assert!(refused(wrong).contains("PUBSUB_SUBSCRIPTION"));
        let unset = PubsubSettings { pubsub_subscription: Some(String::new()), ..pubsub() };
        assert_eq!(unset.checked().unwrap().pubsub_subscription, None);
    }
}
