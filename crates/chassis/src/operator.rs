//! Operators: people and tools behind a bearer token. Without tokens nobody passes.

use std::str::FromStr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;
use secrecy::{ExposeSecret as _, SecretString};
use subtle::ConstantTimeEq as _;

use crate::problem::Problem;

/// Shortest token accepted, so that none can be guessed.
const SHORTEST_TOKEN: usize = 16;

/// The tokens of `OPERATOR_TOKENS`: `name:token`, comma-separated.
#[derive(Debug, Clone, Default)]
pub struct OperatorTokens(Arc<Vec<(String, SecretString)>>);

/// Why `OPERATOR_TOKENS` is refused. Never quotes a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTokens {
    #[error("each entry must be name:token")]
    Form,
    #[error("each token needs at least {SHORTEST_TOKEN} characters")]
    TooShort,
}

impl FromStr for OperatorTokens {
    type Err = InvalidTokens;

    fn from_str(text: &str) -> Result<Self, InvalidTokens> {
        let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        let mut tokens = Vec::new();
        for entry in entries {
            let (name, token) = entry.split_once(':').ok_or(InvalidTokens::Form)?;
            if name.is_empty() {
                return Err(InvalidTokens::Form);
            }
            if token.len() < SHORTEST_TOKEN {
                return Err(InvalidTokens::TooShort);
            }
            tokens.push((name.to_owned(), SecretString::from(token)));
        }
        Ok(Self(Arc::new(tokens)))
    }
}

impl OperatorTokens {
    /// Whose token this is. Compares with every entry in constant time.
    pub fn operator(&self, token: &str) -> Option<Operator> {
        let mut found = None;
        for (name, known) in self.0.iter() {
            if bool::from(known.expose_secret().as_bytes().ct_eq(token.as_bytes())) {
                found = Some(Operator(name.clone()));
            }
        }
        found
    }
}

/// The operator who sent a request; goes into the audit log. As an extractor it
/// needs `Extension<OperatorTokens>` on the router, and answers 401 otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let tokens = parts.extensions.get::<OperatorTokens>();
        let given = parts
            .headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim());
        match (tokens, given) {
            (Some(tokens), Some(given)) => tokens.operator(given).ok_or_else(Problem::unauthorized),
            _ => Err(Problem::unauthorized()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_names_its_operator_and_nothing_else_passes() {
        let tokens: OperatorTokens = "ann:0123456789abcdef, bob:fedcba9876543210".parse().unwrap();

        assert_eq!(tokens.operator("0123456789abcdef"), Some(Operator("ann".to_owned())));
        assert_eq!(tokens.operator("fedcba9876543210"), Some(Operator("bob".to_owned())));
        for wrong in ["", "0123456789abcde", "0123456789abcdef ", "ann"] {
            assert_eq!(tokens.operator(wrong), None, "{wrong:?}");
        }
        assert_eq!(OperatorTokens::default().operator(""), None);
    }

    #[test]
    fn wrong_lists_are_refused_without_quoting_them() {
        assert_eq!(
            "secret-without-name".parse::<OperatorTokens>().unwrap_err(),
            InvalidTokens::Form
        );
        assert_eq!("ann:short".parse::<OperatorTokens>().unwrap_err(), InvalidTokens::TooShort);
    }
}
