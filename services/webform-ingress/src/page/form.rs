//! The form's page: empty, or again with its values and what was wrong.

use askama::Template;
use axum::response::Response;
use chassis::problem::FieldError;
use uuid::Uuid;

use super::{error_of, html};
use crate::fields::Fields;
use crate::refusal::Refusal;
use crate::sla::in_words;
use crate::submission::KEY_FIELD;

/// A word of a choice, and what a person reads.
type Labelled = (&'static str, &'static str);

const CATEGORIES: &[Labelled] = &[
    ("general", "General question"),
    ("technical", "Technical problem"),
    ("billing", "Billing"),
    ("account", "Account"),
    ("bug-report", "Bug report"),
    ("feature-request", "Feature request"),
    ("feedback", "Feedback"),
];
const PRIORITIES: &[Labelled] =
    &[("low", "Low"), ("medium", "Medium"), ("high", "High"), ("urgent", "Urgent")];
const PLANS: &[Labelled] = &[("free", "Free"), ("pro", "Pro"), ("enterprise", "Enterprise")];

/// What stands in a form while it is written.
#[derive(Debug, Clone, Default)]
pub(crate) struct Draft {
    name: String,
    email: String,
    subject: String,
    pub(super) message: String,
    category: String,
    priority: String,
    plan: String,
    pub(super) key: String,
}

impl Draft {
    /// An empty form with a key of its own: sent twice, it is one request.
    pub(crate) fn empty() -> Self {
        Self { key: Uuid::new_v4().to_string(), ..Self::default() }
    }

    pub(crate) fn of(fields: &Fields<'_>) -> Self {
        let text = |name| fields.text(name).to_owned();
        let mut draft = Self {
            name: text("name"),
            email: text("email"),
            subject: text("subject"),
            message: text("message"),
            category: text("category"),
            priority: text("priority"),
            plan: text("plan"),
            key: text(KEY_FIELD),
        };
        if draft.key.is_empty() {
            draft.renew_key();
        }
        draft
    }

    pub(crate) fn renew_key(&mut self) {
        self.key = Uuid::new_v4().to_string();
    }
}

#[derive(Template)]
#[template(path = "form.html")]
struct FormPage<'a> {
    draft: &'a Draft,
    notice: Option<&'static str>,
    errors: &'a [FieldError],
    choices: [Choice<'a>; 3],
}

/// One optional choice of the form.
struct Choice<'a> {
    field: &'static str,
    label: &'static str,
    words: &'static [Labelled],
    chosen: &'a str,
}

impl FormPage<'_> {
    /// When each plan has its first answer, the soonest first.
    fn promises(&self) -> String {
        let promise = |(word, label): &Labelled| format!("{label} {}", in_words(word.parse().ok()));
        PLANS.iter().rev().map(promise).collect::<Vec<_>>().join(", ")
    }

    /// What a person calls the field.
    fn label<'f>(&self, field: &'f str) -> &'f str {
        match field {
            "name" => "Your name",
            "email" => "E-mail address",
            "subject" => "Subject",
            "message" => "Message",
            "category" => "Topic",
            "priority" => "Priority",
            "plan" => "Your plan",
            other => other,
        }
    }

    fn error(&self, field: &str) -> Option<&str> {
        error_of(self.errors, field)
    }
}

/// The form, empty or again with what was wrong.
pub(crate) fn page(draft: &Draft, refusal: Option<&Refusal>) -> Response {
    let page = FormPage {
        draft,
        notice: refusal.map(Refusal::words),
        errors: refusal.map(Refusal::fields).unwrap_or_default(),
        choices: [
            ("category", "Topic", CATEGORIES, &draft.category),
            ("priority", "Priority", PRIORITIES, &draft.priority),
            ("plan", "Your plan", PLANS, &draft.plan),
        ]
        .map(|(field, label, words, chosen)| Choice { field, label, words, chosen }),
    };
    html(&page, refusal)
}
