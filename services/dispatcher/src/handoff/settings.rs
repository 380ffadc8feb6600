//! Where hand-offs are told.

use channels::handoff::addresses::system_lookup;
use channels::handoff::endpoint::{self, Endpoint};
use channels::handoff::signature::Secrets;
use chassis::SettingsError;
use secrecy::{ExposeSecret as _, SecretString};

const URL: &str = "HANDOFF_WEBHOOK_URL";
const SECRET: &str = "HANDOFF_WEBHOOK_SECRET";

/// The webhook, where there is one.
#[derive(Debug, Clone, clap::Args)]
pub struct HandoffSettings {
    /// Where people's tools are told of hand-offs, over https; nowhere when absent
    #[arg(long, env = URL, hide_env_values = true)]
    pub handoff_webhook_url: Option<SecretString>,
    /// Secret that signs them, whsec_ and base64; the new and the old one during a rotation
    #[arg(long, env = SECRET, hide_env_values = true)]
    pub handoff_webhook_secret: Option<SecretString>,
}

impl HandoffSettings {
    /// The endpoint, or `None` where none is set up. Half of one is refused.
    pub(crate) fn endpoint(
        &self,
        allows_loopback: bool,
    ) -> Result<Option<Endpoint>, SettingsError> {
        let missing = |name: &str| Err(SettingsError(format!("{name} is required for hand-offs")));
        let (url, secret) = match (&self.handoff_webhook_url, &self.handoff_webhook_secret) {
            (None, None) => return Ok(None),
            (None, Some(_)) => return missing(URL),
            (Some(_), None) => return missing(SECRET),
            (Some(url), Some(secret)) => (url, secret),
        };
        let secrets = Secrets::parse(secret.expose_secret())
            .map_err(|error| SettingsError(format!("{SECRET} {error}")))?;
        let endpoint = Endpoint::new(endpoint::Settings {
            url: url.expose_secret().to_owned(),
            secrets,
            allows_loopback,
            request_limit: endpoint::REQUEST_LIMIT,
            lookup: system_lookup(),
        });
        endpoint.map(Some).map_err(|error| SettingsError(format!("{URL} {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn refused(url: Option<&str>, secret: Option<&str>) -> String {
        let settings = HandoffSettings {
            handoff_webhook_url: url.map(Into::into),
            handoff_webhook_secret: secret.map(Into::into),
        };
        settings.endpoint(false).map(|endpoint| endpoint.is_some()).unwrap_err().to_string()
    }

    #[test]
    fn half_a_webhook_and_one_that_cannot_be_right_are_refused_by_name() {
        let url = Some("https://hooks.example.com/a");

        assert!(refused(None, Some(GOOD)).contains(URL));
        assert!(refused(url, None).contains(SECRET));
        assert!(refused(url, Some("hunter2")).starts_with(SECRET));
        for wrong in ["http://hooks.example.com/", "https://10.0.0.1/", "x"] {
            let error = refused(Some(wrong), Some(GOOD));
            assert!(error.starts_with(URL) && !error.contains('\n'), "{error}");
        }
        assert!(!refused(url, Some("hunter2")).contains("hunter2"));
    }
}
