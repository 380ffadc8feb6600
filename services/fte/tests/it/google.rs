//! A mailbox at an emulator of the test's own, as an environment tells of it.

use emulators::gmail::{Account, GmailEmulator, Push, Settings};

/// An emulator of Gmail with one mailbox.
pub(crate) struct Mailbox {
    pub(crate) emulator: GmailEmulator,
    settings: Settings,
    push: Push,
}

impl Mailbox {
    pub(crate) async fn start(address: &str) -> Self {
        let settings =
            Settings { mailboxes: vec![Account::new(address, "1//key")], ..Settings::default() };
        let emulator = GmailEmulator::start(settings.clone()).await.unwrap();
        // Where pushes go is known later than what they say.
        let push = Push::to("https://support.example.com/webhooks/gmail");
        Self { emulator, settings, push }
    }

    pub(crate) fn address(&self) -> &str {
        &self.settings.mailboxes[0].address
    }

    /// Changes are pushed to this origin from here on.
    pub(crate) fn push_to(&self, origin: &str) {
        let url = format!("{origin}/webhooks/gmail");
        self.emulator.set_push(Some(Push { url, ..self.push.clone() }));
    }

    /// What the services are to know of it.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        let mailbox = &self.settings.mailboxes[0];
        vec![
            ("GMAIL_ADDRESS", mailbox.address.clone()),
            ("GMAIL_REFRESH_TOKEN", mailbox.refresh_token.clone()),
            ("GMAIL_CLIENT_ID", self.settings.client_id.clone()),
            ("GMAIL_CLIENT_SECRET", self.settings.client_secret.clone()),
            ("GMAIL_API_BASE_URL", self.emulator.base_url()),
            ("GOOGLE_TOKEN_URL", self.emulator.token_url()),
            ("GOOGLE_CERTS_URL", self.emulator.certs_url()),
            ("PUBSUB_AUDIENCE", self.push.audience.clone()),
            ("PUBSUB_SERVICE_ACCOUNT", self.push.service_account.clone()),
            ("PUBSUB_TOPIC", self.push.topic.clone()),
            ("PUBSUB_SUBSCRIPTION", self.push.subscription.clone()),
            ("FTE_ALLOW_LOOPBACK", "true".to_owned()),
        ]
    }
}
