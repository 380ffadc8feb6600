//! What a hook is told about a hand-off. Bounded, and without anything secret.

use chrono::{DateTime, SecondsFormat, Utc};
use contract::{Category, Channel, ConversationId, CustomerId, HandOff};
use serde_json::json;

/// Characters of the newest message, and of our own texts. Together they stay below
/// 20 kB however many bytes JSON needs for one (at most six).
const MOST_EXCERPT: usize = 500;
const MOST_SUMMARY: usize = 1_500;
const MOST_REASON: usize = 400;
const MOST_NAME: usize = 100;

/// A hand-off with what belongs to it.
#[derive(Debug, Clone)]
pub struct Escalation {
    pub hand_off: HandOff,
    pub conversation_id: ConversationId,
    pub channel: Channel,
    pub ticket_ref: String,
    pub customer_id: CustomerId,
    /// The newest message when it was handed over.
    pub last_message: Option<String>,
    /// By when the first answer was promised.
    pub respond_by: DateTime<Utc>,
    pub at: DateTime<Utc>,
}

impl Escalation {
    /// The same for every attempt, so that a receiver knows a repetition.
    pub fn webhook_id(&self) -> String {
        format!("msg_{}", self.hand_off.hand_off_id.as_uuid().simple())
    }

    /// The beginning of the newest message.
    pub fn excerpt(&self) -> Option<String> {
        self.last_message.as_deref().map(|text| cut(text, MOST_EXCERPT))
    }

    /// The body of the webhook. `origin` is where people find the conversation.
    pub fn payload(&self, origin: &str) -> String {
        let Self { hand_off, conversation_id, .. } = self;
        let console = format!("{origin}/conversations/{conversation_id}");
        let time = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
        json!({
            "type": "escalation.created",
            "timestamp": time(self.at),
            "data": {
                "escalation_id": hand_off.hand_off_id,
                "ticket_ref": self.ticket_ref,
                "category": desk(hand_off.category),
                "assignee": {
                    "name": cut(&hand_off.person, MOST_NAME),
                    "email": hand_off.person_email,
                },
                "priority": hand_off.priority,
                "reason": cut(&hand_off.reason, MOST_REASON),
                "channel": self.channel,
                "customer": {
                    "id": self.customer_id,
                    "display_name": cut(&hand_off.customer_name, MOST_NAME),
                },
                "conversation_id": conversation_id,
                "summary": cut(&hand_off.summary, MOST_SUMMARY),
                "last_message_excerpt": self.excerpt(),
                "sla_due_at": time(self.respond_by),
                "links": { "console": console },
            },
        })
        .to_string()
    }
}

/// The desk that takes a category: receivers know these five words.
pub fn desk(category: Category) -> &'static str {
    match category {
        Category::Billing => "billing",
        Category::Legal => "legal",
        Category::Security => "security",
        Category::Technical | Category::BugReport => "technical",
        Category::General | Category::Account | Category::FeatureRequest | Category::Feedback => {
            "general"
        }
    }
}

/// At most so many characters; the last one shows that there was more.
fn cut(text: &str, most: usize) -> String {
    if text.chars().nth(most).is_none() {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most - 1).collect();
    kept + "…"
}

#[cfg(test)]
pub(crate) mod tests {
    use contract::{HandOffId, IdentityLevel, Priority};
    use serde_json::Value;

    use super::*;

    pub(crate) fn escalation(text: &str) -> Escalation {
        Escalation {
            hand_off: HandOff {
                hand_off_id: HandOffId::named("hand-off"),
                person: text.to_owned(),
                person_email: Some("lisa@example.com".to_owned()),
                category: Category::Account,
                priority: Priority::High,
                reason: text.to_owned(),
                summary: text.to_owned(),
                tried: text.to_owned(),
                suggested_next_step: text.to_owned(),
                customer_name: text.to_owned(),
                plan: None,
                identity_level: IdentityLevel::SelfAsserted,
                sentiment: None,
                owner_epoch: 0,
            },
            conversation_id: ConversationId::named("conversation"),
            channel: Channel::WebForm,
            ticket_ref: "TF-20260105-7K3Q".to_owned(),
            customer_id: CustomerId::named("customer"),
            last_message: Some(text.to_owned()),
            respond_by: DateTime::from_timestamp(1_767_605_400, 0).unwrap(),
            at: DateTime::from_timestamp(1_767_605_400, 0).unwrap(),
        }
    }

    #[test]
    fn a_hook_learns_what_a_person_needs_to_begin() {
        let payload = escalation("José Ñandú 📦").payload("https://support.example.com");
        let told: Value = serde_json::from_str(&payload).unwrap();
        let data = &told["data"];

        assert_eq!(told["type"], "escalation.created");
        assert_eq!(told["timestamp"], "2026-01-05T09:30:00Z");
        assert_eq!(data["category"], "general");
        assert_eq!(data["assignee"]["email"], "lisa@example.com");
        assert_eq!(data["customer"]["display_name"], "José Ñandú 📦");
        assert_eq!(data["channel"], "web_form");
        assert_eq!(data["priority"], "high");
        assert_eq!(data["sla_due_at"], "2026-01-05T09:30:00Z");
        let console = format!(
            "https://support.example.com/conversations/{}",
            ConversationId::named("conversation")
        );
        assert_eq!(data["links"]["console"], console.as_str());
    }

    #[test]
    fn the_longest_texts_stay_below_20_kb_and_an_excerpt_below_501_characters() {
        for text in ["\u{1}", "📦", "\"", "x"] {
            let payload = escalation(&text.repeat(50_000)).payload("https://support.example.com");
            let told: Value = serde_json::from_str(&payload).unwrap();
            let excerpt = told["data"]["last_message_excerpt"].as_str().unwrap();

            assert!(payload.len() < 20_000, "{} bytes", payload.len());
            assert_eq!(excerpt.chars().count(), MOST_EXCERPT);
            assert!(excerpt.ends_with('…'));
        }
    }

    #[test]
    fn an_id_has_no_dot_and_is_the_hand_offs() {
        let (one, other) = (escalation("one"), escalation("other"));

        assert_eq!(one.webhook_id(), other.webhook_id());
        assert!(!one.webhook_id().contains('.'));
    }
}
