//! The way over the mailbox's pages: what changed since the cursor or, where Gmail does
//! not know the cursor any more, what the inbox holds.

use channels::gmail::Error as GmailError;
use store::mailboxes::Lease;
use tracing::{info, warn};

use crate::pass::Pass;
use crate::sync::{Sync, SyncError};

/// How often one reading begins again when Gmail has forgotten its page. More than that
/// is no accident.
const MOST_RESTARTS: u32 = 3;

/// What is read when the history does not reach back: a week, as long as Gmail keeps
/// history in general. Mail of our own is no news.
const LATELY: &str = "in:inbox newer_than:7d -from:me";

/// What came of the pages of one walk.
enum Walk {
    Whole,
    /// Gmail does not know the page any more.
    PageLost,
    /// Gmail does not know the cursor any more.
    Expired,
}

impl Sync {
    /// Where the mailbox is read to, and whether nothing holds the cursor.
    pub(crate) async fn read(&self, lease: &Lease) -> Result<(u64, bool), SyncError> {
        let Some(cursor) = lease.cursor() else {
            // What was there before us was not written to us.
            let profile = self.patiently(|| self.gmail.profile()).await?;
            info!("the mailbox is read for the first time: from now on");
            return Ok((profile.history_id, true));
        };
        let mut pass = Pass::new(self, lease);
        let mut next = cursor;
        for _ in 0..=MOST_RESTARTS {
            match self.history(&mut pass, cursor, &mut next).await? {
                Walk::Whole => return pass.end().await.map(|is_whole| (next, is_whole)),
                Walk::PageLost => self.meters.page_lost(),
                Walk::Expired => return self.read_lately(&mut pass).await,
            }
        }
        Err(SyncError::Pages)
    }

    /// All pages of what changed since the cursor. The next cursor is the first page's:
    /// what comes in while later pages are read is read next time.
    async fn history(
        &self,
        pass: &mut Pass<'_>,
        cursor: u64,
        next: &mut u64,
    ) -> Result<Walk, SyncError> {
        let mut token: Option<String> = None;
        loop {
            let page = self.patiently(|| self.gmail.history(cursor, token.as_deref()));
            let page = match page.await {
                Ok(page) => page,
                Err(error) => return lost(error, token.is_some()),
            };
            if token.is_none() {
                // Not the mailbox that we knew, if its history is shorter.
                if page.history_id < cursor {
                    return Ok(Walk::Expired);
                }
                *next = page.history_id;
            }
            let arrived = page.messages.into_iter().filter(|mail| is_inbound(&mail.label_ids));
            pass.take(arrived.map(|mail| mail.id).collect()).await?;
            token = page.next_page_token;
            if token.is_none() {
                return Ok(Walk::Whole);
            }
        }
    }

    /// The history does not reach back to the cursor: lists the inbox itself. Where the
    /// history stands is asked first, so that nothing falls between the two.
    async fn read_lately(&self, pass: &mut Pass<'_>) -> Result<(u64, bool), SyncError> {
        let profile = self.patiently(|| self.gmail.profile()).await?;
        for _ in 0..=MOST_RESTARTS {
            match self.list(pass).await? {
                Walk::Whole => {
                    let (found, filled) = pass.gap();
                    self.meters.gap(found, filled);
                    warn!(
                        mails.found = found,
                        mails.filled = filled,
                        "the history was gone: the inbox itself was read"
                    );
                    return pass.end().await.map(|is_whole| (profile.history_id, is_whole));
                }
                Walk::PageLost | Walk::Expired => self.meters.page_lost(),
            }
        }
        Err(SyncError::Pages)
    }

    /// Gmail lists the newest first; a conversation begins with its oldest.
    async fn list(&self, pass: &mut Pass<'_>) -> Result<Walk, SyncError> {
        let mut ids = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let page = self.patiently(|| self.gmail.list(LATELY, token.as_deref()));
            let page = match page.await {
                Ok(page) => page,
                Err(error) if token.is_some() => return lost(error, true),
                Err(error) => return Err(error.into()),
            };
            ids.extend(page.messages.into_iter().map(|mail| mail.id));
            token = page.next_page_token;
            if token.is_none() {
                ids.reverse();
                pass.take(ids).await?;
                return Ok(Walk::Whole);
            }
        }
    }
}

/// What it means that a page cannot be had: of a later page, that Gmail has forgotten it.
fn lost(error: GmailError, is_later: bool) -> Result<Walk, SyncError> {
    match error {
        GmailError::Permanent { .. } | GmailError::NotFound if is_later => Ok(Walk::PageLost),
        GmailError::NotFound => Ok(Walk::Expired),
        error => Err(error.into()),
    }
}

/// Whether a mail with these labels was written to us.
pub(crate) fn is_inbound(labels: &[String]) -> bool {
    let has = |label: &str| labels.iter().any(|given| given == label);
    has("INBOX") && !["SENT", "DRAFT", "TRASH", "SPAM"].into_iter().any(has)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_others_wrote_to_the_inbox_is_read() {
        let read = |labels: &[&str]| {
            is_inbound(&labels.iter().map(|label| (*label).to_owned()).collect::<Vec<_>>())
        };

        assert!(read(&["INBOX"]) && read(&["UNREAD", "INBOX", "CATEGORY_PERSONAL"]));
        for other in ["SENT", "DRAFT", "TRASH", "SPAM"] {
            assert!(!read(&["INBOX", other]), "{other}");
        }
        assert!(!read(&[]) && !read(&["UNREAD"]));
    }
}
