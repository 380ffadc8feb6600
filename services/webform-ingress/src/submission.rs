//! Turns the fields of a request into a submission or a follow-up, or into all
//! that is wrong with them.

use std::borrow::Cow;
use std::str::FromStr;

use chassis::problem::FieldError;
use contract::{Category, Plan, Priority};

use crate::email::{EmailAddress, MOST_EMAIL_CHARS};
use crate::fields::{Encoding, Fields, Value};

pub(crate) const MOST_NAME_CHARS: usize = 200;
pub(crate) const MOST_SUBJECT_CHARS: usize = 200;
pub(crate) const MOST_MESSAGE_CHARS: usize = 20_000;
pub(crate) const MOST_KEY_CHARS: usize = 255;

/// The hidden form field that does what the header `Idempotency-Key` does.
pub(crate) const KEY_FIELD: &str = "idempotency_key";

/// Categories that a customer may choose. Legal and security are the agent's
/// findings: nobody who needs them would look for them in a list.
pub(crate) const CATEGORIES: [Category; 7] = [
    Category::General,
    Category::Technical,
    Category::Billing,
    Category::Account,
    Category::BugReport,
    Category::FeatureRequest,
    Category::Feedback,
];

/// A question as a customer may ask it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Submission {
    pub(crate) name: String,
    pub(crate) email: EmailAddress,
    pub(crate) subject: String,
    pub(crate) message: String,
    pub(crate) category: Option<Category>,
    pub(crate) priority: Option<Priority>,
    pub(crate) plan: Option<Plan>,
    /// The key of the hidden field; the header's is the handler's to read.
    pub(crate) key: Option<IdempotencyKey>,
}

/// What a customer adds to a ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FollowUp {
    pub(crate) message: String,
    pub(crate) key: Option<IdempotencyKey>,
}

/// A client's own name for its request: 1 to 255 visible ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IdempotencyKey(String);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {MOST_KEY_CHARS} visible ASCII characters")]
pub(crate) struct InvalidKey;

impl IdempotencyKey {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for IdempotencyKey {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        let is_key = (1..=MOST_KEY_CHARS).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_graphic());
        if is_key { Ok(Self(text.to_owned())) } else { Err(InvalidKey) }
    }
}

impl TryFrom<Fields<'_>> for Submission {
    type Error = Vec<FieldError>;

    fn try_from(fields: Fields<'_>) -> Result<Self, Vec<FieldError>> {
        let mut reader = Reader::new(fields);
        let name = reader.line("name", MOST_NAME_CHARS);
        let email =
            reader.line("email", MOST_EMAIL_CHARS).and_then(|text| reader.word("email", &text));
        let subject = reader.line("subject", MOST_SUBJECT_CHARS);
        let message = reader.text("message", MOST_MESSAGE_CHARS);
        let category = reader.choice("category", &CATEGORIES, Category::as_str);
        let priority = reader.choice("priority", Priority::ALL, Priority::as_str);
        let plan = reader.choice("plan", Plan::ALL, Plan::as_str);
        let key = reader.key();
        match (name, email, subject, message, reader.finish()) {
            (Some(name), Some(email), Some(subject), Some(message), Ok(())) => {
                Ok(Self { name, email, subject, message, category, priority, plan, key })
            }
            (.., finished) => Err(finished.err().unwrap_or_default()),
        }
    }
}

impl TryFrom<Fields<'_>> for FollowUp {
    type Error = Vec<FieldError>;

    fn try_from(fields: Fields<'_>) -> Result<Self, Vec<FieldError>> {
        let mut reader = Reader::new(fields);
        let message = reader.text("message", MOST_MESSAGE_CHARS);
        let key = reader.key();
        match (message, reader.finish()) {
            (Some(message), Ok(())) => Ok(Self { message, key }),
            (_, finished) => Err(finished.err().unwrap_or_default()),
        }
    }
}

/// Takes fields by name and collects what is wrong. Every `None` for a required
/// field stands beside an error.
struct Reader<'a> {
    fields: Fields<'a>,
    errors: Vec<FieldError>,
}

impl<'a> Reader<'a> {
    fn new(fields: Fields<'a>) -> Self {
        Self { fields, errors: Vec::new() }
    }

    fn error(&mut self, field: &str, message: impl Into<String>) {
        self.errors.push(FieldError::new(field, message));
    }

    /// Takes the only value of this name. `None` when there is none, or when it
    /// is no text, which is then an error.
    fn take(&mut self, name: &str) -> Option<Cow<'a, str>> {
        let position = self.fields.values.iter().position(|(known, _)| known == name)?;
        let (_, value) = self.fields.values.swap_remove(position);
        if self.fields.values.iter().any(|(known, _)| known == name) {
            self.fields.values.retain(|(known, _)| known != name);
            self.error(name, "is given more than once");
            return None;
        }
        match value {
            Value::Text(text) => Some(text),
            Value::Null => None,
            Value::OtherType(kind) => {
                self.error(name, format!("must be a text, not {kind}"));
                None
            }
            Value::NotUtf8 => {
                self.error(name, "is not UTF-8");
                None
            }
        }
    }

    /// A required text with something in it, within its length.
    fn required(&mut self, name: &str, most_chars: usize) -> Option<Cow<'a, str>> {
        let errors_before = self.errors.len();
        let Some(text) = self.take(name) else {
            if self.errors.len() == errors_before {
                self.error(name, "is required");
            }
            return None;
        };
        // The byte length is never below the number of characters, so most
        // texts need no counting.
        if text.len() > most_chars && text.chars().count() > most_chars {
            self.error(name, format!("is longer than {most_chars} characters"));
            return None;
        }
        if text.chars().all(is_blank) {
            self.error(name, "is required");
            return None;
        }
        Some(text)
    }

    /// A required text of one line: line breaks and other control characters
    /// become spaces.
    fn line(&mut self, name: &str, most_chars: usize) -> Option<String> {
        let text = self.required(name, most_chars)?;
        let line: String = text
            .chars()
            .map(|c| match c {
                '\0' => char::REPLACEMENT_CHARACTER,
                c if c.is_control() => ' ',
                c => c,
            })
            .collect();
        Some(line.trim().to_owned())
    }

    /// A required text kept as it is, but for U+0000, which PostgreSQL cannot
    /// hold. A form's line ends are CR LF on the wire whatever was typed.
    fn text(&mut self, name: &str, most_chars: usize) -> Option<String> {
        if self.fields.encoding == Encoding::Form {
            for (_, value) in self.fields.values.iter_mut().filter(|(known, _)| known == name) {
                if let Value::Text(text) = value
                    && text.contains('\r')
                {
                    *text = Cow::Owned(text.replace("\r\n", "\n"));
                }
            }
        }
        let text = self.required(name, most_chars)?;
        if text.contains('\0') {
            return Some(text.replace('\0', "\u{FFFD}"));
        }
        Some(text.into_owned())
    }

    fn word<T: FromStr>(&mut self, name: &str, text: &str) -> Option<T>
    where
        T::Err: std::fmt::Display,
    {
        text.parse().map_err(|error: T::Err| self.error(name, error.to_string())).ok()
    }

    /// An optional word of a closed set. A form sends an empty text for "none
    /// chosen"; in JSON that is a wrong word.
    fn choice<T: Copy>(
        &mut self,
        name: &str,
        allowed: &[T],
        as_str: fn(T) -> &'static str,
    ) -> Option<T> {
        let text = self.take(name)?;
        if text.is_empty() && self.fields.encoding == Encoding::Form {
            return None;
        }
        let found = allowed.iter().copied().find(|value| as_str(*value) == text);
        if found.is_none() {
            let words: Vec<_> = allowed.iter().map(|value| as_str(*value)).collect();
            self.error(name, format!("must be one of {}", words.join(", ")));
        }
        found
    }

    /// The hidden field of our own forms; in JSON the name is unknown.
    fn key(&mut self) -> Option<IdempotencyKey> {
        if self.fields.encoding == Encoding::Json {
            return None;
        }
        let text = self.take(KEY_FIELD)?;
        if text.is_empty() { None } else { self.word(KEY_FIELD, &text) }
    }

    /// Fails with everything found, unknown names included.
    fn finish(mut self) -> Result<(), Vec<FieldError>> {
        let mut unknown: Vec<String> =
            self.fields.values.iter().map(|(name, _)| name.chars().take(64).collect()).collect();
        unknown.sort_unstable();
        unknown.dedup();
        for name in unknown {
            self.error(&name, "is not a field of this request");
        }
        if self.errors.is_empty() { Ok(()) } else { Err(self.errors) }
    }
}

/// A text of nothing but such characters says nothing.
fn is_blank(c: char) -> bool {
    c.is_whitespace() || c.is_control()
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALID: &str =
        r#"{"name":"Sam Doe","email":"sam@example.org","subject":"Export","message":"How?"}"#;

    fn json(body: &str) -> Result<Submission, Vec<FieldError>> {
        Fields::read(Encoding::Json, body.as_bytes()).unwrap().try_into()
    }

    fn form(body: &str) -> Result<Submission, Vec<FieldError>> {
        Fields::read(Encoding::Form, body.as_bytes()).unwrap().try_into()
    }

    /// The valid body with one member set to other JSON.
    fn with(field: &str, value: &str) -> Result<Submission, Vec<FieldError>> {
        let mut members: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(VALID).unwrap();
        members.insert(field.to_owned(), serde_json::from_str(value).unwrap());
        json(&serde_json::to_string(&members).unwrap())
    }

    fn told(result: Result<Submission, Vec<FieldError>>) -> Vec<(String, String)> {
        result.unwrap_err().into_iter().map(|e| (e.field, e.message)).collect()
    }

    #[test]
    fn all_fields_are_read_from_json_and_from_a_form() {
        let from_json = json(
            r#"{"name":" Sam Doe ","email":"sam@example.org","subject":"Export","message":"How?\n\nSam",
                "category":"bug-report","priority":"high","plan":"pro"}"#,
        )
        .unwrap();
        let from_form = form(
            "name=+Sam+Doe+&email=sam%40example.org&subject=Export&message=How?%0D%0A%0D%0ASam\
             &category=bug-report&priority=high&plan=pro&idempotency_key=k1",
        )
        .unwrap();

        assert_eq!(from_json.name, "Sam Doe");
        assert_eq!(from_json.message, "How?\n\nSam");
        assert_eq!(from_json.category, Some(Category::BugReport));
        assert_eq!(from_json.priority, Some(Priority::High));
        assert_eq!(from_json.plan, Some(Plan::Pro));
        assert_eq!(from_form.key, Some(IdempotencyKey("k1".into())));
        assert_eq!(Submission { key: None, ..from_form }, from_json);
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let told =
            told(json(r#"{"email":"sam","subject":5,"message":" \n ","plan":"gold","x":1}"#));

        assert_eq!(
            told,
            [
                ("name", "is required"),
                ("email", "is not a valid address"),
                ("subject", "must be a text, not a number"),
                ("message", "is required"),
                ("plan", "must be one of free, pro, enterprise"),
                ("x", "is not a field of this request"),
            ]
            .map(|(field, message)| (field.to_owned(), message.to_owned()))
        );
    }

    #[test]
    fn every_length_is_accepted_up_to_its_limit_and_refused_one_beyond() {
        let limits = [
            ("name", MOST_NAME_CHARS),
            ("subject", MOST_SUBJECT_CHARS),
            ("message", MOST_MESSAGE_CHARS),
        ];
        for (field, most) in limits {
            let long = |chars: usize| format!("\"{}\"", "ü".repeat(chars));

            assert!(with(field, &long(most)).is_ok(), "{field}");
            assert_eq!(
                told(with(field, &long(most + 1))),
                [(field.to_owned(), format!("is longer than {most} characters"))]
            );
        }
        let local = "a".repeat(64);
        let domain = ["b".repeat(63), "c".repeat(63), "d".repeat(57), "org".into()].join(".");
        assert_eq!(format!("{local}@{domain}").len(), MOST_EMAIL_CHARS);
        assert!(with("email", &format!("\"{local}@{domain}\"")).is_ok());
        assert!(with("email", &format!("\"{local}@d{domain}\"")).is_err());
    }

    #[test]
    fn a_field_given_twice_is_refused() {
        let json = json(&VALID.replace("{", r#"{"name":"Eve","#));
        let form = form("name=a&name=b&email=sam@example.org&subject=s&message=m");

        for result in [json, form] {
            assert_eq!(told(result), [("name".into(), "is given more than once".into())]);
        }
    }

    #[test]
    fn null_is_no_value_and_an_empty_choice_is_none_only_in_a_form() {
        assert_eq!(with("plan", "null").unwrap().plan, None);
        assert_eq!(told(with("name", "null")), [("name".into(), "is required".into())]);
        assert!(with("plan", "\"\"").is_err());
        assert!(form("name=a&email=sam@example.org&subject=s&message=m&plan=").is_ok());
    }

    #[test]
    fn odd_characters_of_a_message_are_kept_and_the_null_character_is_replaced() {
        let submission = with("message", r#""<b>\u0007\u001b[31m \u202e\r\n\u0000</b>""#).unwrap();

        assert_eq!(submission.message, "<b>\u{7}\u{1b}[31m \u{202e}\r\n\u{FFFD}</b>");
    }

    #[test]
    fn control_characters_in_a_line_become_spaces() {
        let submission = with("subject", r#""Export\r\nBcc: all\u0000""#).unwrap();

        assert_eq!(submission.subject, "Export  Bcc: all\u{FFFD}");
    }

    #[test]
    fn blank_texts_of_every_kind_are_no_texts() {
        for blank in ["\"\"", "\" \\t\\n\"", "\"\\u00a0\\u2003\"", "\"\\u0000\\u0007\""] {
            assert_eq!(told(with("message", blank)), [("message".into(), "is required".into())]);
            assert_eq!(told(with("name", blank)), [("name".into(), "is required".into())]);
        }
    }

    #[test]
    fn customers_cannot_choose_a_category_that_only_the_agent_finds() {
        assert!(with("category", "\"legal\"").is_err());
        assert!(with("category", "\"security\"").is_err());
        for category in CATEGORIES {
            assert!(with("category", &format!("\"{category}\"")).is_ok());
        }
    }

    #[test]
    fn the_key_field_belongs_to_forms_only() {
        assert_eq!(
            told(with(KEY_FIELD, "\"k1\"")),
            [(KEY_FIELD.to_owned(), "is not a field of this request".to_owned())]
        );
    }

    #[test]
    fn keys_are_visible_ascii_of_bounded_length() {
        assert!("a".repeat(255).parse::<IdempotencyKey>().is_ok());
        for wrong in ["", "a b", "ä", "a\u{7f}", &"a".repeat(256)] {
            assert_eq!(wrong.parse::<IdempotencyKey>(), Err(InvalidKey), "{wrong}");
        }
    }
}
