//! What a label of a set means, however it is spelt.

use agent::sentiment::Label;
use contract::{Category, Channel, Plan, Priority};
use serde::Serialize;
use serde_json::Value;

/// Who takes a ticket, as the support policy groups categories.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Group {
    Billing,
    Legal,
    Security,
    Technical,
    Account,
    General,
}

impl Group {
    pub(crate) const ALL: [Self; 6] =
        [Self::Billing, Self::Legal, Self::Security, Self::Technical, Self::Account, Self::General];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Billing => "billing",
            Self::Legal => "legal",
            Self::Security => "security",
            Self::Technical => "technical",
            Self::Account => "account",
            Self::General => "general",
        }
    }

    /// As who takes it: the policy gives account to the queue that takes the rest.
    pub(crate) fn by_taker(self) -> Self {
        if self == Self::Account { Self::General } else { self }
    }

    /// The group of what the agent decided.
    pub(crate) fn of(category: Category) -> Self {
        match category {
            Category::Billing => Self::Billing,
            Category::Legal => Self::Legal,
            Category::Security => Self::Security,
            Category::Technical | Category::BugReport => Self::Technical,
            Category::Account => Self::Account,
            Category::General | Category::FeatureRequest | Category::Feedback => Self::General,
        }
    }

    fn read(word: &str) -> Option<Self> {
        Some(match word {
            "billing" | "payment" | "payments" | "invoice" | "invoices" | "refund" | "refunds"
            | "pricing" | "subscription" | "sales" => Self::Billing,
            "legal" | "compliance" | "privacy" | "gdpr" | "data protection" => Self::Legal,
            "security" => Self::Security,
            "technical" | "bug" | "bug report" | "technical issue" | "technical support"
            | "integration" | "integrations" | "performance" | "data loss" | "outage" => {
                Self::Technical
            }
            "account" | "account management" | "access" => Self::Account,
            "general" | "feature request" | "feature" | "feedback" | "how to" | "howto"
            | "question" | "other" | "praise" | "spam" | "churn" | "greeting" | "human request"
            | "general inquiry" | "general question" => Self::General,
            _ => return None,
        })
    }
}

/// Lower case, with spaces for what joins words.
fn plain(word: &str) -> String {
    word.trim().to_lowercase().replace(['_', '-', '/'], " ")
}

pub(crate) fn group(word: &str) -> Result<Group, String> {
    Group::read(&plain(word)).ok_or_else(|| format!("category {word:?} is unknown"))
}

pub(crate) fn priority(word: &str) -> Result<Priority, String> {
    Ok(match plain(word).as_str() {
        "urgent" | "critical" | "p0" | "p1" => Priority::Urgent,
        "high" | "p2" => Priority::High,
        "medium" | "normal" | "moderate" | "p3" => Priority::Medium,
        "low" | "p4" => Priority::Low,
        _ => return Err(format!("priority {word:?} is unknown")),
    })
}

pub(crate) fn channel(word: &str) -> Result<Channel, String> {
    Ok(match plain(word).replace(' ', "").as_str() {
        "email" | "gmail" | "mail" => Channel::Email,
        "whatsapp" | "wa" | "chat" => Channel::Whatsapp,
        "webform" | "web" | "form" | "website" | "" => Channel::WebForm,
        _ => return Err(format!("channel {word:?} is unknown")),
    })
}

/// A plan of another product counts as unknown: the policy then promises least.
pub(crate) fn plan(word: &str) -> Option<Plan> {
    plain(word).parse().ok()
}

pub(crate) fn sentiment(value: &Value) -> Result<Label, String> {
    let unknown = || format!("sentiment {value} is neither a label nor from -1 to 1");
    let number = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => return Err(unknown()),
    };
    if let Some(number) = number {
        let is_score = (-1.0..=1.0).contains(&number);
        return if is_score { Ok(Label::of(number)) } else { Err(unknown()) };
    }
    let word = plain(value.as_str().unwrap_or_default());
    match word.strip_prefix("very ").unwrap_or(&word) {
        "negative" | "angry" | "frustrated" | "upset" => Ok(Label::Negative),
        "neutral" | "mixed" => Ok(Label::Neutral),
        "positive" | "happy" | "satisfied" => Ok(Label::Positive),
        _ => Err(unknown()),
    }
}

pub(crate) fn yes_or_no(value: &Value) -> Result<bool, String> {
    match value {
        Value::Bool(is) => Ok(*is),
        Value::Number(number) if number.as_u64() == Some(0) => Ok(false),
        Value::Number(number) if number.as_u64() == Some(1) => Ok(true),
        Value::String(text) => match plain(text).as_str() {
            "true" | "yes" | "y" | "1" | "escalate" => Ok(true),
            "false" | "no" | "n" | "0" | "" => Ok(false),
            _ => Err(format!("escalate {text:?} is neither true nor false")),
        },
        other => Err(format!("escalate {other} is neither true nor false")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn spellings_of_a_category_fold() {
        for (word, expected) in [
            ("Billing", Group::Billing),
            ("bug_report", Group::Technical),
            ("bug-report", Group::Technical),
            ("feature_request", Group::General),
            ("how-to", Group::General),
            ("Account", Group::Account),
            ("compliance", Group::Legal),
        ] {
            assert_eq!(group(word), Ok(expected), "{word}");
        }
        assert!(group("weather").is_err());
        for category in Category::ALL {
            assert_eq!(group(category.as_str()), Ok(Group::of(*category)));
        }
    }

    #[test]
    fn labels_may_be_words_or_numbers() {
        assert_eq!(sentiment(&json!(-0.8)), Ok(Label::Negative));
        assert_eq!(sentiment(&json!("0.1")), Ok(Label::Neutral));
        assert_eq!(sentiment(&json!("Very Positive")), Ok(Label::Positive));
        assert!(sentiment(&json!(3)).is_err() && sentiment(&json!("blue")).is_err());
        assert_eq!(yes_or_no(&json!("Yes")), Ok(true));
        assert_eq!(yes_or_no(&json!(false)), Ok(false));
        assert!(yes_or_no(&json!("maybe")).is_err());
        assert_eq!(channel("Web Form"), Ok(Channel::WebForm));
        assert_eq!(plan("Enterprise"), Some(Plan::Enterprise));
        assert_eq!(plan("Business Plus"), None);
    }
}
