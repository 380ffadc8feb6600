//! The operator's list and the view of one conversation.

use axum::Json;
use axum::extract::State;
use chassis::extract::{ApiPath, ApiQuery};
use chassis::operator::Operator;
use chassis::problem::{FieldError, Problem};
use chrono::{DateTime, Utc};
use contract::ConversationId;
use serde::{Deserialize, Serialize};
use store::conversations::{self, Cursor, Waiting};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::view::ConversationView;
use crate::{Desk, docs, refusal};

const USUAL_PAGE: u16 = 50;
const LONGEST_PAGE: u16 = 200;

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// Whose conversations; a person's when absent.
    #[serde(default)]
    #[param(inline, required = false)]
    #[expect(dead_code, reason = "one value so far; another is refused")]
    owner: Owner,
    /// Where the page before ended: its `next`.
    #[param(
        pattern = "^[0-9]{1,16}\\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$",
        example = "1767605400000000.3adea7e9-c53b-50eb-bd75-3c5eea33867c"
    )]
    after: Option<String>,
    /// Most conversations in the answer; 50 when absent.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u16>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Owner {
    #[default]
    Person,
}

/// Conversations of people, the longest wait first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ConversationList {
    conversations: Vec<WaitingConversation>,
    /// `after` of the next page; null on the last one.
    next: Option<String>,
}

/// A conversation that a person has, or that waits for one.
#[derive(Debug, Serialize, ToSchema)]
struct WaitingConversation {
    id: Uuid,
    #[schema(example = "TF-20260105-7K3Q")]
    ticket_ref: Option<String>,
    #[schema(example = "web_form")]
    channel: String,
    waits_since: DateTime<Utc>,
    /// Who has it, or for whom it waits.
    person: Option<String>,
    /// Null while nobody has taken it.
    taken_at: Option<DateTime<Utc>>,
    subject: Option<String>,
    category: Option<String>,
    priority: Option<String>,
    /// Why it was handed over.
    reason: Option<String>,
    /// Messages without an outcome.
    unhandled: i64,
    /// By when the first answer was promised.
    respond_by: Option<DateTime<Utc>>,
}

impl From<Waiting> for WaitingConversation {
    fn from(row: Waiting) -> Self {
        Self {
            id: row.id,
            ticket_ref: row.ticket_ref,
            channel: row.channel,
            waits_since: row.waits_since,
            person: row.person,
            taken_at: row.taken_at,
            subject: row.subject,
            category: row.category,
            priority: row.priority,
            reason: row.reason,
            unhandled: row.unhandled,
            respond_by: row.respond_by,
        }
    }
}

/// What people have, and what waits for them.
#[utoipa::path(
    get,
    path = "/conversations",
    operation_id = "list_conversations",
    tag = "conversations",
    security(("operator" = [])),
    params(ListQuery),
    responses(
        (status = 200, description = "A page of the list", body = ConversationList),
        docs::Refusals,
    )
)]
pub(crate) async fn list(
    _: Operator,
    State(desk): State<Desk>,
    ApiQuery(query): ApiQuery<ListQuery>,
) -> Result<Json<ConversationList>, Problem> {
    let limit = query.limit.unwrap_or(USUAL_PAGE);
    if !(1..=LONGEST_PAGE).contains(&limit) {
        let message = format!("must be from 1 to {LONGEST_PAGE}");
        return Err(Problem::unprocessable(vec![FieldError::new("limit", message)]));
    }
    let after = query.after.as_deref().map(cursor).transpose()?;
    // One more than asked for shows whether there is another page.
    let mut rows = conversations::waiting(&desk.pool, after, i64::from(limit) + 1)
        .await
        .map_err(refusal::of_store)?;
    let more = rows.len() > usize::from(limit);
    rows.truncate(limit.into());
    let next = rows.last().filter(|_| more).map(place);
    let conversations = rows.into_iter().map(WaitingConversation::from).collect();
    Ok(Json(ConversationList { conversations, next }))
}

fn place(row: &Waiting) -> String {
    format!("{}.{}", row.waits_since.timestamp_micros(), row.id)
}

fn cursor(text: &str) -> Result<Cursor, Problem> {
    let parsed = || {
        let (micros, id) = text.split_once('.')?;
        let waits_since = DateTime::from_timestamp_micros(micros.parse().ok()?)?;
        // Beyond this the database's timestamps end.
        (waits_since.timestamp() >= 0 && waits_since.timestamp() < 1 << 36)
            .then_some(Cursor { waits_since, id: id.parse().ok()? })
    };
    parsed().ok_or_else(|| {
        let message = "must be the next of an earlier page";
        Problem::unprocessable(vec![FieldError::new("after", message)])
    })
}

/// One conversation: its messages, replies with their states, hand-offs and decisions.
#[utoipa::path(
    get,
    path = "/conversations/{id}",
    operation_id = "show_conversation",
    tag = "conversations",
    security(("operator" = [])),
    params(("id" = Uuid, Path, description = "The conversation")),
    responses(
        (status = 200, description = "The conversation", body = ConversationView),
        docs::Unknown, docs::Refusals,
    )
)]
pub(crate) async fn show(
    _: Operator,
    State(desk): State<Desk>,
    ApiPath(id): ApiPath<Uuid>,
) -> Result<Json<ConversationView>, Problem> {
    let view = conversations::view(&desk.pool, ConversationId::from(id))
        .await
        .map_err(refusal::of_store)?
        .ok_or_else(Problem::not_found)?;
    Ok(Json(view.into()))
}
