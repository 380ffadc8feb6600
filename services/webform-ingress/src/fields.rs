//! The named values of a request body, JSON or form: decoded, not yet judged.

use std::borrow::Cow;
use std::fmt;

use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use percent_encoding::percent_decode;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Values read from one body; our forms have eight. A bound, because an
/// unknown name costs memory and is quoted in the answer.
const MOST_FIELDS: usize = 64;

/// How the body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Json,
    Form,
}

/// One value as the client sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    Text(Cow<'a, str>),
    Null,
    /// Not a text; says what it is.
    OtherType(&'static str),
    NotUtf8,
}

/// The values in the order of the body; a name may repeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fields<'a> {
    pub(crate) encoding: Encoding,
    pub(crate) values: Vec<(Cow<'a, str>, Value<'a>)>,
}

/// Why no values could be read at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("the body is not JSON: line {line}, column {column}")]
    NotJson { line: usize, column: usize },
    #[error("the body is not UTF-8")]
    NotUtf8,
    #[error("the body must be a JSON object")]
    NotAnObject,
    #[error("the body has more than {MOST_FIELDS} fields")]
    TooManyFields,
}

impl Encoding {
    /// The encoding that the content type names; `None` for one we do not read.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(CONTENT_TYPE).iter();
        let value = values.next()?.to_str().ok()?;
        if values.next().is_some() {
            return None;
        }
        let (essence, parameters) = value.split_once(';').unwrap_or((value, ""));
        let is_utf8 = parameters
            .split(';')
            .filter_map(|parameter| parameter.split_once('='))
            .filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset"))
            .all(|(_, set)| set.trim().trim_matches('"').eq_ignore_ascii_case("utf-8"));
        let essence = essence.trim();
        match is_utf8 {
            true if essence.eq_ignore_ascii_case("application/json") => Some(Encoding::Json),
            true if essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") => {
                Some(Encoding::Form)
            }
            _ => None,
        }
    }
}

impl<'a> Fields<'a> {
    pub(crate) fn read(encoding: Encoding, body: &'a [u8]) -> Result<Self, BodyError> {
        let values = match encoding {
            Encoding::Json => match std::str::from_utf8(body) {
                Ok(text) => json(text)?,
                Err(_) => json_with_broken_text(body)?,
            },
            Encoding::Form => form(body)?,
        };
        if values.len() > MOST_FIELDS {
            return Err(BodyError::TooManyFields);
        }
        Ok(Self { encoding, values })
    }

    /// The first text of this name, for showing a form again.
    pub(crate) fn text(&self, name: &str) -> &str {
        let found = self.values.iter().find(|(known, _)| known == name);
        match found {
            Some((_, Value::Text(text))) => text,
            _ => "",
        }
    }
}

fn form(body: &[u8]) -> Result<Vec<(Cow<'_, str>, Value<'_>)>, BodyError> {
    let pairs = body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty());
    let mut values = Vec::with_capacity(8);
    for pair in pairs.take(MOST_FIELDS + 1) {
        let mut halves = pair.splitn(2, |byte| *byte == b'=');
        let name = form_text(halves.next().unwrap_or_default()).ok_or(BodyError::NotUtf8)?;
        let value = form_text(halves.next().unwrap_or_default());
        values.push((name, value.map_or(Value::NotUtf8, Value::Text)));
    }
    Ok(values)
}

/// Undoes `+` and `%XX`; `None` when the bytes are not UTF-8. (The usual form
/// decoders put U+FFFD there, and the customer would never hear of it.)
fn form_text(bytes: &[u8]) -> Option<Cow<'_, str>> {
    if bytes.contains(&b'+') {
        let spaced: Vec<u8> =
            bytes.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
        let text = percent_decode(&spaced).decode_utf8().ok()?.into_owned();
        return Some(Cow::Owned(text));
    }
    percent_decode(bytes).decode_utf8().ok()
}

fn json(text: &str) -> Result<Vec<(Cow<'_, str>, Value<'_>)>, BodyError> {
    match serde_json::from_str::<Top<'_>>(text) {
        Ok(Top::Object(values)) => Ok(values),
        Ok(Top::Other) => Err(BodyError::NotAnObject),
        Err(error) => Err(BodyError::NotJson { line: error.line(), column: error.column() }),
    }
}

/// Stands for broken bytes while their field is looked for. A noncharacter: no
/// text that means something holds it.
const BROKEN: char = '\u{FDD0}';

/// The values of a body that is not UTF-8, so that the answer can name the
/// field; where the JSON itself is broken, only that.
fn json_with_broken_text(
    body: &[u8],
) -> Result<Vec<(Cow<'static, str>, Value<'static>)>, BodyError> {
    let marked: String = body
        .utf8_chunks()
        .flat_map(|chunk| {
            let mark = (!chunk.invalid().is_empty()).then_some(BROKEN);
            chunk.valid().chars().chain(mark)
        })
        .collect();
    let values = json(&marked).map_err(|_| BodyError::NotUtf8)?;
    let owned = values.into_iter().map(|(name, value)| {
        let value = match value {
            Value::Text(text) if text.contains(BROKEN) => Value::NotUtf8,
            Value::Text(text) => Value::Text(Cow::Owned(text.into_owned())),
            Value::Null => Value::Null,
            Value::OtherType(kind) => Value::OtherType(kind),
            Value::NotUtf8 => Value::NotUtf8,
        };
        (Cow::Owned(name.into_owned()), value)
    });
    let owned: Vec<_> = owned.collect();
    // Broken bytes in a name or below a value name no field.
    match owned.iter().any(|(_, value)| *value == Value::NotUtf8) {
        true => Ok(owned),
        false => Err(BodyError::NotUtf8),
    }
}

/// A whole JSON document, of which only an object is kept.
enum Top<'a> {
    Object(Vec<(Cow<'a, str>, Value<'a>)>),
    Other,
}

/// A JSON string that borrows where it can.
struct Name<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Top<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TopVisitor)
    }
}

impl<'de> Deserialize<'de> for Value<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.deserialize_str(ValueVisitor)? {
            Value::Text(text) => Ok(Name(text)),
            _ => Ok(Name(Cow::Borrowed(""))),
        }
    }
}

struct TopVisitor;

impl<'de> Visitor<'de> for TopVisitor {
    type Value = Top<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON document")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Top<'de>, A::Error> {
        let mut values = Vec::with_capacity(8);
        while let Some(Name(name)) = map.next_key()? {
            let value = map.next_value()?;
            // One over the bound shows that there were more.
            if values.len() <= MOST_FIELDS {
                values.push((name, value));
            }
        }
        Ok(Top::Object(values))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Top<'de>, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Top::Other)
    }

    fn visit_str<E>(self, _: &str) -> Result<Top<'de>, E> {
        Ok(Top::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Top<'de>, E> {
        Ok(Top::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Top<'de>, E> {
        Ok(Top::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Top<'de>, E> {
        Ok(Top::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Top<'de>, E> {
        Ok(Top::Other)
    }

    fn visit_unit<E>(self) -> Result<Top<'de>, E> {
        Ok(Top::Other)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Value<'de>, E> {
        Ok(Value::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value<'de>, E> {
        Ok(Value::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_unit<E>(self) -> Result<Value<'de>, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Value<'de>, E> {
        Ok(Value::OtherType("a boolean"))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Value<'de>, E> {
        Ok(Value::OtherType("a number"))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Value<'de>, E> {
        Ok(Value::OtherType("a number"))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value<'de>, E> {
        Ok(Value::OtherType("a number"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value<'de>, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::OtherType("an array"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value<'de>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Value::OtherType("an object"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &str) -> Value<'_> {
        Value::Text(Cow::Borrowed(value))
    }

    #[test]
    fn a_form_and_a_json_object_give_the_same_values() {
        let form = Fields::read(Encoding::Form, b"name=Sam+D%C3%B6e&plan=pro&name=").unwrap();
        let json = Fields::read(
            Encoding::Json,
            "{\"name\":\"Sam D\\u00f6e\",\"plan\":\"pro\",\"name\":\"\"}".as_bytes(),
        )
        .unwrap();

        assert_eq!(form.values, json.values);
        assert_eq!(form.values[0], ("name".into(), text("Sam Döe")));
        assert_eq!(form.values.len(), 3);
    }

    #[test]
    fn json_values_of_other_types_say_what_they_are() {
        let body = br#"{"a":null,"b":1,"c":-1.5,"d":true,"e":[1,{}],"f":{"g":[]}}"#;

        let fields = Fields::read(Encoding::Json, body).unwrap();

        let kinds: Vec<_> = fields.values.into_iter().map(|(_, value)| value).collect();
        assert_eq!(
            kinds,
            [
                Value::Null,
                Value::OtherType("a number"),
                Value::OtherType("a number"),
                Value::OtherType("a boolean"),
                Value::OtherType("an array"),
                Value::OtherType("an object"),
            ]
        );
    }

    #[test]
    fn bytes_that_are_not_utf8_name_their_field() {
        let json =
            Fields::read(Encoding::Json, b"{\"name\":\"Sam\",\"message\":\"a\xFFb\"}").unwrap();
        let form = Fields::read(Encoding::Form, b"name=Sam&message=a%FFb").unwrap();
        let raw = Fields::read(Encoding::Form, b"name=Sam&message=a\xFFb+c").unwrap();

        for fields in [json, form, raw] {
            assert_eq!(fields.values[0].1, text("Sam"));
            assert_eq!(fields.values[1], ("message".into(), Value::NotUtf8));
        }
    }

    #[test]
    fn what_holds_no_fields_is_an_error() {
        let cases: [(&[u8], BodyError); 6] = [
            (b"{\"name\": ", BodyError::NotJson { line: 1, column: 9 }),
            (b"", BodyError::NotJson { line: 1, column: 0 }),
            (b"[{\"name\":\"Sam\"}]", BodyError::NotAnObject),
            (b"null", BodyError::NotAnObject),
            (b"{\"n\xFF\":\"Sam\"}", BodyError::NotUtf8),
            (b"\xFF\xFE", BodyError::NotUtf8),
        ];
        for (body, expected) in cases {
            assert_eq!(Fields::read(Encoding::Json, body), Err(expected));
        }
    }

    #[test]
    fn fields_are_bounded_in_number() {
        let form = vec!["a=1"; MOST_FIELDS + 1].join("&");
        let json = format!("{{{}}}", vec!["\"a\":1"; MOST_FIELDS + 1].join(","));

        assert_eq!(Fields::read(Encoding::Form, form.as_bytes()), Err(BodyError::TooManyFields));
        assert_eq!(Fields::read(Encoding::Json, json.as_bytes()), Err(BodyError::TooManyFields));
    }

    #[test]
    fn deep_nesting_is_an_error_and_not_a_stack_overflow() {
        let body = format!("{{\"name\":{}", "[".repeat(100_000));

        assert!(matches!(
            Fields::read(Encoding::Json, body.as_bytes()),
            Err(BodyError::NotJson { .. })
        ));
    }

    #[test]
    fn content_types_are_read_with_their_charset() {
        let of = |value: &'static str| {
            Encoding::of(&HeaderMap::from_iter([(CONTENT_TYPE, value.parse().unwrap())]))
        };

        assert_eq!(of("application/json"), Some(Encoding::Json));
        assert_eq!(of("Application/JSON ; charset=\"UTF-8\""), Some(Encoding::Json));
        assert_eq!(of("application/x-www-form-urlencoded;charset=utf-8"), Some(Encoding::Form));
        for refused in ["text/plain", "application/json; charset=latin1", "multipart/form-data", ""]
        {
            assert_eq!(of(refused), None, "{refused}");
        }
        assert_eq!(Encoding::of(&HeaderMap::new()), None);
    }
}
