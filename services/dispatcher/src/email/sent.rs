//! Mails of ours as Gmail has them: found again by the delivery that they carry, and
//! read back for the Message-ID that Gmail has given them.

use std::time::Duration;

use channels::compose::DELIVERY_HEADER;
use channels::gmail::{self, GmailClient};
use chrono::{DateTime, Utc};
use contract::DeliveryId;

const MESSAGE_ID: &str = "Message-ID";
const SENT: &str = "SENT";

/// Mails to one address among which one in doubt is searched.
const SEARCHED: usize = 10;

/// By how much Google's clock and the database's may differ.
const CLOCKS_DIFFER: Duration = Duration::from_secs(300);

/// Where a mail may be found.
pub(crate) struct Places<'a> {
    /// Of its draft.
    pub(crate) thread: Option<&'a str>,
    /// Whom it went to, and not before when.
    pub(crate) to: Option<(&'a str, DateTime<Utc>)>,
}

/// Gmail's id of the mail that this delivery has become, in the thread of its draft or
/// among what was sent to its address: a mail that joins no thread may leave its draft's.
/// That there is none proves nothing: it is looked for again.
pub(crate) async fn find_sent(
    client: &GmailClient,
    id: DeliveryId,
    places: Places<'_>,
) -> Result<Option<String>, gmail::Error> {
    let id = id.to_string();
    if let Some(thread) = places.thread {
        let mails = match client.thread(thread, &[DELIVERY_HEADER]).await {
            Err(gmail::Error::NotFound) => Vec::new(),
            mails => mails?,
        };
        if let Some(mail) = mails.into_iter().find(|mail| is_sent_for(mail, &id)) {
            return Ok(Some(mail.id));
        }
    }
    let Some((to, since)) = places.to else { return Ok(None) };
    let after = since.timestamp() - CLOCKS_DIFFER.as_secs().cast_signed();
    let sent = client.list(&format!("in:sent to:{to} after:{after}"), None).await?;
    for listed in sent.messages.into_iter().take(SEARCHED) {
        match client.metadata(&listed.id, &[DELIVERY_HEADER]).await {
            Ok(mail) if is_sent_for(&mail, &id) => return Ok(Some(mail.id)),
            Ok(_) | Err(gmail::Error::NotFound) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// Whether this mail has gone out for this delivery.
fn is_sent_for(mail: &gmail::Metadata, delivery_id: &str) -> bool {
    mail.label_ids.iter().any(|label| label == SENT)
        && mail.header(DELIVERY_HEADER).map(str::trim) == Some(delivery_id)
}

/// The Message-ID that a mail has on the wire, without angle brackets; `None` where the
/// mailbox does not have the mail any more.
pub(crate) async fn message_id(
    client: &GmailClient,
    gmail_id: &str,
) -> Result<Option<String>, gmail::Error> {
    match client.metadata(gmail_id, &[MESSAGE_ID]).await {
        Ok(mail) => Ok(mail.header(MESSAGE_ID).map(bare).filter(|id| !id.is_empty())),
        Err(gmail::Error::NotFound | gmail::Error::Permanent { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn bare(id: &str) -> String {
    id.trim().trim_start_matches('<').trim_end_matches('>').to_owned()
}
