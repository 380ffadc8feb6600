//! Sends of which nobody knows whether they arrived, and a person's word on them.

use axum::Json;
use axum::extract::State;
use chassis::extract::{ApiPath, ApiQuery};
use chassis::operator::Operator;
use chassis::problem::Problem;
use chrono::{DateTime, Utc};
use contract::{ConversationId, DeliveryId};
use serde::{Deserialize, Serialize};
use store::doubt_decisions::{self, OpenDoubt, Refusal};
use store::people::OperatorName;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::body::{Nothing, OptionalJson};
use crate::{Desk, docs, refusal};

/// Most doubts in one answer: more than a person looks through.
const MOST: i64 = 200;

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// The state of the deliveries.
    #[param(inline)]
    #[expect(dead_code, reason = "one value so far; another is refused")]
    state: DoubtState,
}

#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DoubtState {
    OutcomeUnknown,
}

/// Sends in doubt, the oldest doubt first, 200 at most.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DoubtList {
    deliveries: Vec<DeliveryInDoubt>,
}

/// A send of which nobody knows whether it arrived.
#[derive(Debug, Serialize, ToSchema)]
struct DeliveryInDoubt {
    id: Uuid,
    conversation_id: Uuid,
    #[schema(example = "TF-20260105-7K3Q")]
    ticket_ref: Option<String>,
    #[schema(example = "whatsapp")]
    outlet: String,
    /// agent, system or person.
    author: String,
    /// Of its reply, counted from 0.
    part: i32,
    /// The beginning of the text.
    excerpt: String,
    /// Why it is in doubt.
    reason: Option<String>,
    since: DateTime<Utc>,
    /// Looking it up has found nothing for so long that a person is asked.
    is_asked: bool,
}

impl From<OpenDoubt> for DeliveryInDoubt {
    fn from(row: OpenDoubt) -> Self {
        Self {
            id: row.id,
            conversation_id: row.conversation_id,
            ticket_ref: row.ticket_ref,
            outlet: row.outlet,
            author: row.author,
            part: row.part,
            excerpt: row.excerpt,
            reason: row.reason,
            since: row.since,
            is_asked: row.is_asked,
        }
    }
}

/// The delivery as the person's word has left it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DoubtAnswer {
    delivery_id: Uuid,
    conversation_id: Uuid,
    /// accepted or pending.
    state: &'static str,
}

/// Sends of which nobody knows whether they arrived.
#[utoipa::path(
    get,
    path = "/deliveries",
    operation_id = "list_deliveries",
    tag = "conversations",
    security(("operator" = [])),
    params(ListQuery),
    responses(
        (status = 200, description = "Sends in doubt", body = DoubtList),
        docs::Refusals,
    )
)]
pub(crate) async fn list(
    _: Operator,
    State(desk): State<Desk>,
    ApiQuery(ListQuery { .. }): ApiQuery<ListQuery>,
) -> Result<Json<DoubtList>, Problem> {
    let rows = doubt_decisions::open(&desk.pool, MOST).await.map_err(refusal::of_store)?;
    Ok(Json(DoubtList { deliveries: rows.into_iter().map(Into::into).collect() }))
}

/// Says that a send in doubt was sent: the provider has it.
#[utoipa::path(
    post,
    path = "/deliveries/{id}/sent",
    operation_id = "confirm_delivery",
    tag = "conversations",
    security(("operator" = [])),
    params(("id" = Uuid, Path, description = "The delivery")),
    request_body(content = Option<Nothing>, description = "May be left out"),
    responses(
        (status = 200, description = "It counts as sent", body = DoubtAnswer),
        docs::ActionRefusals, docs::BodyRefusals, docs::Refusals,
    )
)]
pub(crate) async fn sent(
    operator: Operator,
    State(desk): State<Desk>,
    ApiPath(id): ApiPath<Uuid>,
    OptionalJson(Nothing {}): OptionalJson<Nothing>,
) -> Result<Json<DoubtAnswer>, Problem> {
    let mut conn = desk.connection().await?;
    let name = OperatorName(&operator.0);
    let conversation =
        doubt_decisions::sent(&mut conn, DeliveryId::from(id), name).await.map_err(refused)?;
    drop(conn);
    desk.publish(conversation).await;
    Ok(answer(id, conversation, "accepted"))
}

/// Sends a delivery in doubt again: if the first had arrived after all, the customer
/// has it twice.
#[utoipa::path(
    post,
    path = "/deliveries/{id}/resend",
    operation_id = "resend_delivery",
    tag = "conversations",
    security(("operator" = [])),
    params(("id" = Uuid, Path, description = "The delivery")),
    request_body(content = Option<Nothing>, description = "May be left out"),
    responses(
        (status = 200, description = "It will be sent again", body = DoubtAnswer),
        docs::ActionRefusals, docs::BodyRefusals, docs::Refusals,
    )
)]
pub(crate) async fn resend(
    operator: Operator,
    State(desk): State<Desk>,
    ApiPath(id): ApiPath<Uuid>,
    OptionalJson(Nothing {}): OptionalJson<Nothing>,
) -> Result<Json<DoubtAnswer>, Problem> {
    let mut conn = desk.connection().await?;
    let name = OperatorName(&operator.0);
    let conversation =
        doubt_decisions::resend(&mut conn, DeliveryId::from(id), name).await.map_err(refused)?;
    Ok(answer(id, conversation, "pending"))
}

fn answer(id: Uuid, conversation: ConversationId, state: &'static str) -> Json<DoubtAnswer> {
    Json(DoubtAnswer { delivery_id: id, conversation_id: conversation.as_uuid(), state })
}

fn refused(refusal: Refusal) -> Problem {
    match refusal {
        Refusal::Unknown => Problem::not_found(),
        Refusal::Store(error) => refusal::of_store(error),
        Refusal::Settled(_) => Problem::conflict(refusal.to_string()),
    }
}
