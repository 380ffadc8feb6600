//! Looking a customer up by address.

use axum::Json;
use axum::extract::State;
use channels::phone::normal_phone;
use chassis::extract::ApiQuery;
use chassis::operator::Operator;
use chassis::problem::{FieldError, Problem};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use store::customers::{self, Address, Customer, Listed};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::view::IdentifierView;
use crate::{Desk, docs, refusal};

/// Longest address looked up: RFC 5321's limit on a mailbox.
const MOST_EMAIL_BYTES: usize = 254;

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct LookupQuery {
    /// An e-mail address, in any case. Either this or `phone`.
    #[param(format = "email", max_length = 254, example = "sam@example.org")]
    email: Option<String>,
    /// A phone number with its country code, such as +49 30 901820.
    #[param(pattern = "^\\+[1-9][0-9]{6,14}$")]
    phone: Option<String>,
}

impl LookupQuery {
    /// The address in the form in which it is stored.
    fn address(&self) -> Result<Address, Problem> {
        let refused =
            |field, message: &str| Problem::unprocessable(vec![FieldError::new(field, message)]);
        match (&self.email, &self.phone) {
            (Some(email), None) => normal_email(email)
                .map(Address::Email)
                .ok_or_else(|| refused("email", "must be an e-mail address")),
            (None, Some(phone)) => stored_phone(phone)
                .map(Address::Phone)
                .ok_or_else(|| refused("phone", "must be a number such as +49 30 901820")),
            _ => Err(refused("email", "exactly one of email and phone is needed")),
        }
    }
}

fn normal_email(text: &str) -> Option<String> {
    let text = text.trim();
    let (local, domain) = text.rsplit_once('@')?;
    let plain = !text.chars().any(|c| c.is_control() || c.is_whitespace());
    (plain && !local.is_empty() && !domain.is_empty() && text.len() <= MOST_EMAIL_BYTES)
        .then(|| text.to_lowercase())
}

/// The resolver's spelling. A plus sign in a query string is a space: it is understood
/// as what it was meant to be.
fn stored_phone(text: &str) -> Option<String> {
    normal_phone(&format!("+{}", text.trim().trim_start_matches('+')))
}

/// A customer with its newest conversations.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CustomerView {
    id: Uuid,
    name: String,
    /// The plan of the company's records.
    plan: Option<String>,
    created_at: DateTime<Utc>,
    identifiers: Vec<IdentifierView>,
    conversations: Vec<ListedConversation>,
}

#[derive(Debug, Serialize, ToSchema)]
struct ListedConversation {
    id: Uuid,
    ticket_ref: Option<String>,
    channel: String,
    status: String,
    owner: String,
    subject: Option<String>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Customer> for CustomerView {
    fn from(customer: Customer) -> Self {
        Self {
            id: customer.id,
            name: customer.name,
            plan: customer.plan,
            created_at: customer.created_at,
            identifiers: customer.identifiers.into_iter().map(Into::into).collect(),
            conversations: customer.conversations.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<Listed> for ListedConversation {
    fn from(row: Listed) -> Self {
        Self {
            id: row.id,
            ticket_ref: row.ticket_ref,
            channel: row.channel,
            status: row.status,
            owner: row.owner,
            subject: row.subject,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// The customer who is known under an address.
#[utoipa::path(
    get,
    path = "/customers/lookup",
    operation_id = "look_up_customer",
    tag = "customers",
    security(("operator" = [])),
    params(LookupQuery),
    responses(
        (status = 200, description = "The customer", body = CustomerView),
        docs::Unknown, docs::Refusals,
    )
)]
pub(crate) async fn lookup(
    _: Operator,
    State(desk): State<Desk>,
    ApiQuery(query): ApiQuery<LookupQuery>,
) -> Result<Json<CustomerView>, Problem> {
    let customer = customers::lookup(&desk.pool, &query.address()?)
        .await
        .map_err(refusal::of_store)?
        .ok_or_else(Problem::not_found)?;
    Ok(Json(customer.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_looked_up_in_its_stored_form() {
        assert_eq!(normal_email(" Sam@Example.ORG ").as_deref(), Some("sam@example.org"));
        assert_eq!(stored_phone("+49 (30) 901-820").as_deref(), Some("+4930901820"));
        // As a form decodes an unescaped plus sign.
        assert_eq!(stored_phone(" 4930901820").as_deref(), Some("+4930901820"));
        for wrong in ["", "sam", "@example.org", "sam@", "a b@example.org", "a\0@example.org"] {
            assert_eq!(normal_email(wrong), None, "{wrong:?}");
        }
        for wrong in ["", "+", "12345", "+1234567890123456", "+49 30 x", "+٤٩٣٠٩٠١٨٢٠"] {
            assert_eq!(stored_phone(wrong), None, "{wrong:?}");
        }
    }
}
