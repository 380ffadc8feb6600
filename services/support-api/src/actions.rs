//! What a person does with a conversation: take, reply, return, close.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use chassis::clock;
use chassis::extract::ApiPath;
use chassis::operator::Operator;
use chassis::problem::{FieldError, Problem};
use chrono::{DateTime, Utc};
use contract::{ConversationId, ReplyId};
use serde::{Deserialize, Serialize};
use store::people::{self, Ending, NewReply, OperatorName, Standing};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::body::{JsonObject, Nothing, OptionalJson};
use crate::{Desk, docs, refusal};

/// Longest reply, in characters: several times what a person writes in one.
const MOST_TEXT_CHARS: usize = 10_000;

/// Longest idempotency key, as the web form has it.
const MOST_KEY_BYTES: usize = 255;

const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// How the conversation stands after the action.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ActionAnswer {
    conversation_id: Uuid,
    /// open, resolved or closed.
    status: String,
    /// agent or person.
    owner: String,
    person: Option<String>,
    taken_at: Option<DateTime<Utc>>,
    owner_epoch: i64,
    /// Messages without an outcome.
    unhandled: i64,
    /// Parts of the agent's replies that were never begun and now never will be.
    cancelled: Vec<AgentPart>,
    /// Parts of the agent's replies that the customer may have, or gets in this moment.
    in_flight: Vec<AgentPart>,
    /// The reply, when there is one; the same for every repetition of a request.
    reply_id: Option<Uuid>,
}

/// A part of an agent's reply.
#[derive(Debug, Serialize, ToSchema)]
struct AgentPart {
    reply_id: Uuid,
    part: i32,
    /// sending, outcome_unknown or cancelled.
    state: String,
    /// Null while the reply is on its way to the dispatcher.
    text: Option<String>,
}

impl ActionAnswer {
    fn new(id: ConversationId, standing: Standing) -> Self {
        Self {
            conversation_id: id.as_uuid(),
            unhandled: standing.last_seq - standing.handled_seq,
            status: standing.status,
            owner: standing.owner,
            person: standing.person,
            taken_at: standing.taken_at,
            owner_epoch: standing.owner_epoch,
            cancelled: standing.cancelled.into_iter().map(Into::into).collect(),
            in_flight: standing.in_flight.into_iter().map(Into::into).collect(),
            reply_id: None,
        }
    }
}

impl From<people::Part> for AgentPart {
    fn from(part: people::Part) -> Self {
        Self { reply_id: part.reply_id, part: part.part, state: part.state, text: part.text }
    }
}

/// Takes the conversation: no send of the agent's begins any more.
#[utoipa::path(
    post,
    path = "/conversations/{id}/take",
    operation_id = "take_conversation",
    tag = "conversations",
    security(("operator" = [])),
    params(("id" = Uuid, Path, description = "The conversation")),
    request_body(content = Option<Nothing>, description = "May be left out"),
    responses(
        (status = 200, description = "The operator has it", body = ActionAnswer),
        docs::ActionRefusals, docs::BodyRefusals, docs::Refusals,
    )
)]
pub(crate) async fn take(
    operator: Operator,
    State(desk): State<Desk>,
    ApiPath(id): ApiPath<Uuid>,
    OptionalJson(Nothing {}): OptionalJson<Nothing>,
) -> Result<Json<ActionAnswer>, Problem> {
    let id = ConversationId::from(id);
    let mut conn = desk.connection().await?;
    let standing =
        people::take(&mut conn, id, OperatorName(&operator.0)).await.map_err(refusal::of_action)?;
    Ok(Json(ActionAnswer::new(id, standing)))
}

/// What the person writes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewText {
    /// Kept as it is; a U+0000 becomes U+FFFD.
    #[schema(
        min_length = 1,
        max_length = 10_000,
        pattern = r"\S",
        example = "Hello Sam, I have looked at your invoice."
    )]
    text: String,
}

impl NewText {
    fn checked(self) -> Result<String, Problem> {
        let message = if self.text.trim().is_empty() {
            "must not be empty".to_owned()
        } else if self.text.chars().count() > MOST_TEXT_CHARS {
            format!("must have at most {MOST_TEXT_CHARS} characters")
        } else {
            return Ok(self.text.replace('\0', "\u{FFFD}"));
        };
        Err(Problem::unprocessable(vec![FieldError::new("text", message)]))
    }
}

/// Writes to the customer; takes the conversation first if nobody has it.
#[utoipa::path(
    post,
    path = "/conversations/{id}/reply",
    operation_id = "reply_to_conversation",
    tag = "conversations",
    security(("operator" = [])),
    params(
        ("id" = Uuid, Path, description = "The conversation"),
        ("Idempotency-Key" = Option<String>, Header,
         description = "The same key sends once, however often it comes",
         max_length = 255, min_length = 1, pattern = "^[!-~]+$"),
    ),
    request_body = NewText,
    responses(
        (status = 202, description = "The reply will be sent", body = ActionAnswer),
        docs::ActionRefusals, docs::BodyRefusals, docs::Refusals,
    )
)]
pub(crate) async fn reply(
    operator: Operator,
    State(desk): State<Desk>,
    ApiPath(id): ApiPath<Uuid>,
    headers: HeaderMap,
    JsonObject(text): JsonObject<NewText>,
) -> Result<(StatusCode, Json<ActionAnswer>), Problem> {
    let text = text.checked()?;
    let id = ConversationId::from(id);
    let reply_id = reply_id(id, &operator, &headers)?;
    let mut conn = desk.connection().await?;
    let reply = NewReply {
        id: reply_id,
        text: &text,
        parts: channels::person_parts,
        at: clock::now(),
        service: people::SERVICE,
    };
    let standing = people::reply(&mut conn, id, OperatorName(&operator.0), reply)
        .await
        .map_err(refusal::of_action)?;
    drop(conn);
    desk.publish(id).await;
    let answer =
        ActionAnswer { reply_id: Some(reply_id.as_uuid()), ..ActionAnswer::new(id, standing) };
    Ok((StatusCode::ACCEPTED, Json(answer)))
}

/// One reply per operator's key; without a key each request is a reply of its own.
fn reply_id(
    id: ConversationId,
    operator: &Operator,
    headers: &HeaderMap,
) -> Result<ReplyId, Problem> {
    let Some(key) = headers.get(IDEMPOTENCY_KEY) else { return Ok(ReplyId::random()) };
    let key = key.to_str().ok().filter(|key| !key.is_empty() && key.len() <= MOST_KEY_BYTES);
    let key = key.ok_or_else(|| {
        let message = format!("must be 1 to {MOST_KEY_BYTES} visible ASCII characters");
        Problem::unprocessable(vec![FieldError::new("Idempotency-Key", message)])
    })?;
    Ok(ReplyId::derived(id, &format!("person-reply:{}:{key}", operator.0)))
}

/// Gives the conversation back to the agent, which goes on with what is unhandled.
#[utoipa::path(
    post,
    path = "/conversations/{id}/return",
    operation_id = "return_conversation",
    tag = "conversations",
    security(("operator" = [])),
    params(("id" = Uuid, Path, description = "The conversation")),
    request_body(content = Option<Nothing>, description = "May be left out"),
    responses(
        (status = 200, description = "The agent has it", body = ActionAnswer),
        docs::ActionRefusals, docs::BodyRefusals, docs::Refusals,
    )
)]
pub(crate) async fn give_back(
    operator: Operator,
    State(desk): State<Desk>,
    ApiPath(id): ApiPath<Uuid>,
    OptionalJson(Nothing {}): OptionalJson<Nothing>,
) -> Result<Json<ActionAnswer>, Problem> {
    let id = ConversationId::from(id);
    let mut conn = desk.connection().await?;
    let standing = people::give_back(&mut conn, id, OperatorName(&operator.0), clock::now())
        .await
        .map_err(refusal::of_action)?;
    drop(conn);
    desk.publish(id).await;
    Ok(Json(ActionAnswer::new(id, standing)))
}

/// How the conversation ends.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CloseRequest {
    /// Closed with a solution: another message opens it again. Else it is closed for good.
    #[serde(default)]
    resolved: bool,
}

impl CloseRequest {
    fn ending(&self) -> Ending {
        if self.resolved { Ending::Resolved } else { Ending::Closed }
    }
}

/// Ends the conversation, for good or with a solution.
#[utoipa::path(
    post,
    path = "/conversations/{id}/close",
    operation_id = "close_conversation",
    tag = "conversations",
    security(("operator" = [])),
    params(("id" = Uuid, Path, description = "The conversation")),
    request_body(content = Option<CloseRequest>, description = "May be left out: closed for good"),
    responses(
        (status = 200, description = "It is over", body = ActionAnswer),
        docs::ActionRefusals, docs::BodyRefusals, docs::Refusals,
    )
)]
pub(crate) async fn close(
    operator: Operator,
    State(desk): State<Desk>,
    ApiPath(id): ApiPath<Uuid>,
    OptionalJson(request): OptionalJson<CloseRequest>,
) -> Result<Json<ActionAnswer>, Problem> {
    let id = ConversationId::from(id);
    let mut conn = desk.connection().await?;
    let standing = people::close(&mut conn, id, OperatorName(&operator.0), request.ending())
        .await
        .map_err(refusal::of_action)?;
    Ok(Json(ActionAnswer::new(id, standing)))
}
