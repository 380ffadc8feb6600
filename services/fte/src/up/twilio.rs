//! WhatsApp under `fte up`: the account of the environment, or an emulator of Twilio.

use anyhow::Context as _;
use emulators::twilio::{Settings as Account, TwilioEmulator};

use crate::up::data::DataFolder;
use crate::up::settings::{self, Settings};

/// One of these, and WhatsApp is the environment's matter.
const ACCOUNT: [&str; 3] = ["TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "TWILIO_WHATSAPP_FROM"];

/// Where `fte say` finds the emulator.
pub(crate) const EMULATOR_URL: &str = "TWILIO_API_BASE_URL";

const TOKEN: &str = "twilio-auth-token";

/// A webhook that is away for a moment is asked again, as we advise for the real one.
const OVERRIDES: &str = "#ct=2000&rt=10000&tt=15000&rc=5&rp=all";

/// Where WhatsApp is.
pub(crate) enum Twilio {
    Account,
    Emulator(TwilioEmulator),
}

impl Twilio {
    /// Starts the emulator when the environment has no account.
    pub(crate) async fn start(folder: &DataFolder, url: &str) -> anyhow::Result<Self> {
        if settings::is_any_set(&ACCOUNT) {
            return Ok(Self::Account);
        }
        let account = Account {
            auth_token: folder.secret(TOKEN)?,
            webhook_url: Some(format!("{url}/webhooks/whatsapp{OVERRIDES}")),
            has_window: true,
            ..Account::default()
        };
        let emulator = TwilioEmulator::start(account).await;
        Ok(Self::Emulator(emulator.context("the emulator of Twilio does not start")?))
    }

    /// Tells the services who we are at the emulator.
    pub(crate) fn tell(
        &self,
        settings: &mut Settings,
        folder: &DataFolder,
        url: &str,
    ) -> anyhow::Result<()> {
        let Self::Emulator(emulator) = self else { return Ok(()) };
        let account = Account::default();
        settings.set("TWILIO_ACCOUNT_SID", account.account_sid);
        settings.set("TWILIO_AUTH_TOKEN", folder.secret(TOKEN)?);
        settings.set("TWILIO_WHATSAPP_FROM", account.sender);
        settings.set(EMULATOR_URL, emulator.base_url());
        settings.set("FTE_ALLOW_LOOPBACK", "true");
        // The emulator calls this origin, whatever the public one is.
        let public = settings.get("PUBLIC_BASE_URL").unwrap_or(url);
        if public != url {
            let both = format!("{public},{url}");
            settings.set("PUBLIC_BASE_URL", both);
        }
        Ok(())
    }

    /// In one line. `is_found` says whether other commands find this run by themselves.
    pub(crate) fn describe(&self, is_found: bool) -> String {
        let Self::Emulator(emulator) = self else {
            return "Twilio, as TWILIO_ACCOUNT_SID says".to_owned();
        };
        let url = emulator.base_url();
        let place = if is_found { String::new() } else { format!(" --emulator {url}") };
        format!(
            "an emulator of Twilio at {url}, as no TWILIO_ACCOUNT_SID is set; write with \
             `fte say whatsapp{place} --from +14155550123 \"…\"`"
        )
    }
}
