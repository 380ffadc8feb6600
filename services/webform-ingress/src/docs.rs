//! The routes with their description for `/openapi.json`. The types here stand
//! for what handlers read by hand; nothing is decoded through them.
#![expect(dead_code, reason = "read by the derives only")]

use std::collections::BTreeMap;

use axum::Router;
use axum::middleware::map_response;
use axum::routing::get;
use chassis::problem::ProblemDocument;
use serde::Serialize;
use utoipa::openapi::header::Header;
use utoipa::openapi::{Content, Object, OpenApi, Ref, RefOr, Response, ResponseBuilder, Type};
use utoipa::{IntoParams, IntoResponses, OpenApi as _, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::{Ingress, follow_up, page, status, submit};

#[derive(utoipa::OpenApi)]
#[openapi(components(schemas(ProblemDocument)))]
struct Base;

/// Every route of the service, documented where a client calls it.
pub(crate) fn routes() -> OpenApiRouter<Ingress> {
    let undocumented = Router::new().route("/support/style.css", get(page::style));
    OpenApiRouter::with_openapi(Base::openapi())
        .routes(routes!(submit::form))
        .routes(routes!(submit::submit))
        .routes(routes!(status::show))
        .routes(routes!(follow_up::add))
        .merge(undocumented.into())
        .layer(map_response(page::guard))
}

/// The service's part of `/openapi.json`.
pub fn openapi() -> OpenApi {
    routes().split_for_parts().1
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
enum CategoryWord {
    General,
    Technical,
    Billing,
    Account,
    BugReport,
    FeatureRequest,
    Feedback,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum PriorityWord {
    Low,
    Medium,
    High,
    Urgent,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum PlanWord {
    Free,
    Pro,
    Enterprise,
}

/// A question for support.
#[derive(Serialize, ToSchema)]
#[schema(as = Submission)]
#[serde(deny_unknown_fields)]
pub(crate) struct SubmissionDocument {
    #[schema(max_length = 200, pattern = r"[^\s\u0000-\u001F\u007F-\u009F]", example = "Sam Doe")]
    name: String,
    #[schema(max_length = 254, format = "email", example = "sam@example.org")]
    email: String,
    #[schema(
        max_length = 200,
        pattern = r"[^\s\u0000-\u001F\u007F-\u009F]",
        example = "Export a board"
    )]
    subject: String,
    #[schema(
        max_length = 20000,
        pattern = r"[^\s\u0000-\u001F\u007F-\u009F]",
        example = "I want my board as a file, how do I do that?"
    )]
    message: String,
    category: Option<CategoryWord>,
    priority: Option<PriorityWord>,
    /// What the customer says; it sets the promised time and nothing else.
    plan: Option<PlanWord>,
}

/// A question for support, as a form sends it.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SubmissionForm {
    #[schema(max_length = 200, pattern = r"[^\s\u0000-\u001F\u007F-\u009F]", example = "Sam Doe")]
    name: String,
    #[schema(max_length = 254, format = "email", example = "sam@example.org")]
    email: String,
    #[schema(
        max_length = 200,
        pattern = r"[^\s\u0000-\u001F\u007F-\u009F]",
        example = "Export a board"
    )]
    subject: String,
    #[schema(
        max_length = 20000,
        pattern = r"[^\s\u0000-\u001F\u007F-\u009F]",
        example = "I want my board as a file, how do I do that?"
    )]
    message: String,
    #[schema(required = false)]
    category: CategoryWord,
    #[schema(required = false)]
    priority: PriorityWord,
    #[schema(required = false)]
    plan: PlanWord,
    /// Does what the header `Idempotency-Key` does.
    #[schema(required = false, max_length = 255, pattern = "^[!-~]*$")]
    idempotency_key: String,
}

/// A message for a ticket.
#[derive(Serialize, ToSchema)]
#[schema(as = FollowUp)]
#[serde(deny_unknown_fields)]
pub(crate) struct FollowUpDocument {
    #[schema(
        max_length = 20000,
        pattern = r"[^\s\u0000-\u001F\u007F-\u009F]",
        example = "It worked, thank you."
    )]
    message: String,
}

/// A message for a ticket, as a form sends it.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FollowUpForm {
    #[schema(
        max_length = 20000,
        pattern = r"[^\s\u0000-\u001F\u007F-\u009F]",
        example = "It worked, thank you."
    )]
    message: String,
    /// Does what the header `Idempotency-Key` does.
    #[schema(required = false, max_length = 255, pattern = "^[!-~]*$")]
    idempotency_key: String,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct TicketPath {
    /// The ticket's ref.
    #[param(example = "TF-20260105-7K3Q")]
    r#ref: String,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct TokenQuery {
    /// The token of the ticket's status URL; a wrong one is a 404.
    token: String,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(crate) struct IdempotencyKeyHeader {
    /// The client's own name for this request: sent again with it, the request
    /// has no second effect and the same answer.
    #[param(rename = "Idempotency-Key", required = false, max_length = 255, pattern = "^[!-~]+$")]
    idempotency_key: String,
}

/// A browser is sent to the ticket's page.
pub(crate) struct SeeOther;

/// What may be wrong with something that a customer sends.
pub(crate) struct SubmitRefusals;

/// The ref names no ticket, or the token is not its own.
pub(crate) struct NoSuchTicket;

/// The database is away.
pub(crate) struct TicketUnavailable;

impl IntoResponses for SeeOther {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let location = Header::new(Object::with_type(Type::String));
        let response = ResponseBuilder::new()
            .description("A browser is sent to the ticket's page")
            .header("location", location);
        BTreeMap::from([("303".to_owned(), response.build().into())])
    }
}

impl IntoResponses for SubmitRefusals {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[
            (400, "The body cannot be read"),
            (408, "The body did not arrive in time"),
            (409, "The key was used with other content, or the ticket is closed"),
            (413, "The body is over 256 KiB"),
            (415, "The body is neither JSON nor a form, or not UTF-8"),
            (422, "Some fields are missing or invalid"),
            (429, "Too many requests of this caller, address or domain"),
            (503, "Not confirmed: the same request again is safe"),
        ])
    }
}

impl IntoResponses for NoSuchTicket {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[(404, "The ref names no ticket, or the token is not its own")])
    }
}

impl IntoResponses for TicketUnavailable {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[(503, "The ticket cannot be read now")])
    }
}

/// Each refusal as a problem document, or as a page when HTML is asked for.
fn problems(refusals: &[(u16, &str)]) -> BTreeMap<String, RefOr<Response>> {
    let response = |(status, description): &(u16, &str)| {
        let problem = Content::new(Some(Ref::from_schema_name("Problem")));
        let page = Content::new(Some(Object::with_type(Type::String)));
        let mut response = ResponseBuilder::new()
            .description(*description)
            .content("application/problem+json", problem)
            .content("text/html", page);
        if matches!(status, 429 | 503) {
            let seconds = Header::new(Object::with_type(Type::Integer));
            response = response.header("retry-after", seconds);
        }
        (status.to_string(), response.build().into())
    };
    refusals.iter().map(response).collect()
}
