//! Staff who answer a hand-off by mail: their words go to the customer, as a person's.

use bus::{Failure, Record};
use contract::ReplyId;
use sqlx::PgPool;
use store::mail::Candidate;
use store::outbox;
use store::people::{self, NewReply, OperatorName, Refusal};

use crate::SERVICE;
use crate::email_intake::Inbound;

/// Why words of staff do not reach the customer; stands in their row.
const NOTHING_SAID: &str = "staff_wordless";
const QUOTES_NOTICE: &str = "staff_quotes_notice";
const CLOSED: &str = "staff_closed";
const TAKEN: &str = "staff_taken_by_another";

/// Takes the conversation for the sender and replies in it, under the name that our list
/// has: what a mail shows, anybody can write. `Ok(Err(_))` says why that
/// is not to be: the mail is then kept where a person finds it.
pub(crate) async fn say(
    pool: &PgPool,
    inbound: &Inbound,
    candidate: &Candidate,
    name: OperatorName<'_>,
    committed: &mut Vec<Record>,
) -> Result<Result<(), &'static str>, Failure> {
    if inbound.body.trim().is_empty() {
        return Ok(Err(NOTHING_SAID));
    }
    // What a person is told of a customer is not for the customer.
    if channels::staff_mail::is_quoted_in(&inbound.body) {
        return Ok(Err(QUOTES_NOTICE));
    }
    let id = candidate.conversation_id;
    let reply = NewReply {
        id: ReplyId::derived(inbound.event_id, "staff-reply"),
        text: &inbound.body,
        parts: channels::person_parts,
        at: inbound.arrived_at,
        service: SERVICE,
    };
    let mut conn = pool.acquire().await.map_err(store::Error::from)?;
    let said = people::reply(&mut conn, id, name, reply).await;
    drop(conn);
    let refused = match said {
        Ok(_) => {
            committed.extend(outbox::pending(pool, SERVICE, &[id]).await?);
            return Ok(Ok(()));
        }
        Err(Refusal::Store(error)) => return Err(error.into()),
        Err(Refusal::Closed | Refusal::Unknown) => CLOSED,
        Err(Refusal::TakenBy(_) | Refusal::NotAPersons | Refusal::OtherText) => TAKEN,
    };
    tracing::warn!(
        conversation.id = %id,
        mail.refused = refused,
        "a mail of staff does not reach the customer"
    );
    Ok(Err(refused))
}
