//! Gmail's client against an emulator that knows only Google's contract.

mod access;
mod drafts;
mod failures;
mod reading;
mod watching;

use channels::gmail::{GmailClient, QUOTA_FOR_READING, Settings};
use emulators::gmail::{self as emulator, Account, GmailEmulator, Inbound};

pub(crate) const MAILBOX: &str = "support@example.com";
const CUSTOMER: &str = "Ana <ana@example.org>";

fn settings(emulator: &GmailEmulator) -> Settings {
    let account = emulator::Settings::default();
    Settings {
        client_id: account.client_id,
        client_secret: account.client_secret.into(),
        refresh_token: "1//refresh-support".into(),
        api_base_url: emulator.base_url(),
        token_url: emulator.token_url(),
        allows_loopback: true,
        request_limit: std::time::Duration::from_secs(20),
        units_per_minute: QUOTA_FOR_READING,
    }
}

pub(crate) async fn world() -> (GmailEmulator, GmailClient) {
    world_of(emulator::Settings::default()).await
}

async fn world_of(settings_of: emulator::Settings) -> (GmailEmulator, GmailClient) {
    let emulator = GmailEmulator::start(settings_of).await.unwrap();
    let client = GmailClient::new(&settings(&emulator)).unwrap();
    (emulator, client)
}

/// Ours, and a customer's that the emulator plays as well.
fn two_mailboxes() -> emulator::Settings {
    let customer = Account::new("ana@example.org", "1//refresh-ana");
    let mut settings = emulator::Settings::default();
    settings.mailboxes.push(customer);
    settings
}

pub(crate) fn mail(subject: &str) -> Inbound {
    Inbound {
        from: CUSTOMER.to_owned(),
        subject: subject.to_owned(),
        text: "It's broken. ¿Qué hago?".to_owned(),
        ..Inbound::default()
    }
}

/// A reply to this Message-ID, as a whole mail.
pub(crate) fn reply(subject: &str, answers: &str) -> String {
    format!(
        "From: Support <{MAILBOX}>\r\nTo: Ana <ana@example.org>\r\nSubject: {subject}\r\n\
         Message-ID: <reply-1@example.com>\r\nIn-Reply-To: {answers}\r\nReferences: {answers}\r\n\
         X-Support-Delivery-Id: 7\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\
         Hola, ya está.\r\n"
    )
}
