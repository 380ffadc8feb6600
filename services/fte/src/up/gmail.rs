//! E-mail under `fte up`: the mailbox of the environment, or an emulator of Gmail.

use anyhow::Context as _;
use emulators::gmail::{Account, GmailEmulator, Push, Settings as Emulated};

use crate::up::data::DataFolder;
use crate::up::settings::{self, Settings};

/// One of these, and e-mail is the environment's matter.
const MAILBOX: [&str; 4] =
    ["GMAIL_ADDRESS", "GMAIL_CLIENT_ID", "GMAIL_CLIENT_SECRET", "GMAIL_REFRESH_TOKEN"];

/// Where `fte say` finds the emulator.
pub(crate) const EMULATOR_URL: &str = "GMAIL_API_BASE_URL";

const ADDRESS: &str = "support@example.com";
const CLIENT_SECRET: &str = "gmail-client-secret";
const REFRESH_TOKEN: &str = "gmail-refresh-token";

/// Where e-mail is.
pub(crate) enum Gmail {
    Account,
    Emulator(Box<Played>),
}

/// The emulator, and what it plays.
pub(crate) struct Played {
    emulator: GmailEmulator,
    account: Emulated,
    push: Push,
}

impl Gmail {
    /// Starts the emulator when the environment has no mailbox.
    pub(crate) async fn start(folder: &DataFolder, url: &str) -> anyhow::Result<Self> {
        if settings::is_any_set(&MAILBOX) {
            return Ok(Self::Account);
        }
        let push = Push::to(format!("{url}/webhooks/gmail"));
        let account = Emulated {
            mailboxes: vec![Account::new(ADDRESS, folder.secret(REFRESH_TOKEN)?)],
            client_secret: folder.secret(CLIENT_SECRET)?,
            push: Some(push.clone()),
            ..Emulated::default()
        };
        let emulator = GmailEmulator::start(account.clone()).await;
        let emulator = emulator.context("the emulator of Gmail does not start")?;
        Ok(Self::Emulator(Box::new(Played { emulator, account, push })))
    }

    /// Tells the services whose mailbox is at the emulator, and who calls them for it.
    pub(crate) fn tell(&self, settings: &mut Settings) {
        let Self::Emulator(played) = self else { return };
        let Played { emulator, account, push } = played.as_ref();
        if let Some(mailbox) = account.mailboxes.first() {
            settings.set("GMAIL_ADDRESS", &mailbox.address);
            settings.set("GMAIL_REFRESH_TOKEN", &mailbox.refresh_token);
        }
        settings.set("GMAIL_CLIENT_ID", &account.client_id);
        settings.set("GMAIL_CLIENT_SECRET", &account.client_secret);
        settings.set(EMULATOR_URL, emulator.base_url());
        settings.set("GOOGLE_TOKEN_URL", emulator.token_url());
        settings.set("GOOGLE_CERTS_URL", emulator.certs_url());
        settings.set("PUBSUB_AUDIENCE", &push.audience);
        settings.set("PUBSUB_SERVICE_ACCOUNT", &push.service_account);
        settings.set("PUBSUB_TOPIC", &push.topic);
        settings.set("FTE_ALLOW_LOOPBACK", "true");
    }

    /// In one line. `is_found` says whether other commands find this run by themselves.
    pub(crate) fn describe(&self, is_found: bool) -> String {
        let Self::Emulator(played) = self else {
            return "Gmail, as GMAIL_ADDRESS says".to_owned();
        };
        let url = played.emulator.base_url();
        let place = if is_found { String::new() } else { format!(" --emulator {url}") };
        format!(
            "an emulator of Gmail at {url}, as no GMAIL_ADDRESS is set; write with \
             `fte say email{place} --from you@example.org --subject \"…\" \"…\"`"
        )
    }
}
