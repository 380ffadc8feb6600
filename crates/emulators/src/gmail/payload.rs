//! Mails as Gmail shows them: parts with decoded bytes, headers as they stand.

use mail_parser::decoders::base64::base64_decode;
use mail_parser::decoders::quoted_printable::quoted_printable_decode;
use mail_parser::{Encoding, Message, MessageParser, MessagePart, MimeHeaders as _, PartType};
use serde_json::{Value, json};

use super::base64url;
use super::mail;

/// Texts of this size and more stand apart, as attachments do.
const LARGE_TEXT_BYTES: usize = 256 * 1024;

/// The tree of `format=full`. Ids of attachments are new each time, as at Google.
pub(super) fn full(raw: &[u8], nonce: u64) -> Value {
    match MessageParser::default().parse(raw) {
        Some(message) => part(&message, raw, 0, "", nonce),
        None => json!({ "partId": "", "mimeType": "text/plain", "filename": "",
            "headers": shown(raw, &[]), "body": { "size": 0 } }),
    }
}

/// The headers of `format=metadata`: those that are named, or all.
pub(super) fn metadata(raw: &[u8], names: &[&str]) -> Value {
    let kind = mail::header(raw, "Content-Type").unwrap_or_else(|| "text/plain".to_owned());
    let kind = kind.split(';').next().unwrap_or_default().trim().to_lowercase();
    json!({ "mimeType": kind, "headers": shown(raw, names) })
}

/// The bytes of an attachment, by the id that [`full`] gave it.
pub(super) fn attachment(raw: &[u8], id: &str) -> Option<Vec<u8>> {
    let id = String::from_utf8(base64url::decode(id)?).ok()?;
    let index: usize = id.split(':').next()?.parse().ok()?;
    let message = MessageParser::default().parse(raw)?;
    bytes(raw, message.parts.get(index)?)
}

fn shown(raw: &[u8], names: &[&str]) -> Value {
    let is_wanted = |name: &str| {
        names.is_empty() || names.iter().any(|wanted| wanted.eq_ignore_ascii_case(name))
    };
    let headers = mail::headers(raw).into_iter().filter(|(name, _)| is_wanted(name));
    headers.map(|(name, value)| json!({ "name": name, "value": value })).collect()
}

fn part(message: &Message<'_>, raw: &[u8], index: usize, id: &str, nonce: u64) -> Value {
    let Some(found) = message.parts.get(index) else { return Value::Null };
    let head = raw.get(found.offset_header as usize..found.offset_end as usize).unwrap_or_default();
    let kind = found.content_type().map_or_else(
        || "text/plain".to_owned(),
        |kind| format!("{}/{}", kind.ctype(), kind.subtype().unwrap_or("plain")).to_lowercase(),
    );
    let filename = found.attachment_name().unwrap_or_default();
    let mut shown = json!({ "partId": id, "mimeType": kind, "filename": filename,
        "headers": shown(head, &[]), "body": { "size": 0 } });
    match &found.body {
        PartType::Multipart(children) => {
            let children = children.iter().enumerate().map(|(place, child)| {
                let below = if id.is_empty() { place.to_string() } else { format!("{id}.{place}") };
                part(message, raw, *child as usize, &below, nonce)
            });
            set(&mut shown, "parts", children.collect());
        }
        _ => {
            let bytes = bytes(raw, found).unwrap_or_default();
            let stands_apart = !filename.is_empty() || bytes.len() >= LARGE_TEXT_BYTES;
            let body = if stands_apart {
                let id = base64url::encode(format!("{index}:{nonce}").as_bytes());
                json!({ "attachmentId": id, "size": bytes.len() })
            } else {
                json!({ "size": bytes.len(), "data": base64url::encode(&bytes) })
            };
            set(&mut shown, "body", body);
        }
    }
    shown
}

fn set(object: &mut Value, name: &str, value: Value) {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(name.to_owned(), value);
    }
}

/// Without the encoding for transfer; the charset stays.
fn bytes(raw: &[u8], part: &MessagePart<'_>) -> Option<Vec<u8>> {
    let body = raw.get(part.offset_body as usize..part.offset_end as usize)?;
    match part.encoding {
        Encoding::None => Some(body.to_vec()),
        Encoding::QuotedPrintable => quoted_printable_decode(body),
        Encoding::Base64 => base64_decode(body),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RAW: &[u8] = b"From: a@x.org\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
        --b\r\nContent-Type: text/plain; charset=iso-8859-1\r\n\
        Content-Transfer-Encoding: quoted-printable\r\n\r\ncaf=E9\r\n\
        --b\r\nContent-Type: application/pdf\r\n\
        Content-Disposition: attachment; filename=\"a.pdf\"\r\n\
        Content-Transfer-Encoding: base64\r\n\r\nJVBERi0=\r\n--b--\r\n";

    #[test]
    fn parts_are_decoded_but_for_their_charset_and_files_have_ids() {
        let shown = full(RAW, 7);

        assert_eq!(shown["mimeType"], "multipart/mixed");
        let [text, file] = &shown["parts"].as_array().unwrap()[..] else { panic!("{shown}") };
        assert_eq!(text["partId"], "0");
        let data = base64url::decode(text["body"]["data"].as_str().unwrap()).unwrap();
        assert_eq!(data, b"caf\xe9");
        assert_eq!((file["filename"].as_str(), &file["body"]["size"]), (Some("a.pdf"), &json!(5)));
        let id = file["body"]["attachmentId"].as_str().unwrap();
        assert_eq!(attachment(RAW, id).as_deref(), Some(&b"%PDF-"[..]));
        assert_ne!(full(RAW, 8)["parts"][1]["body"]["attachmentId"], id);
        assert_eq!(metadata(RAW, &["from"])["headers"], json!([{"name":"From","value":"a@x.org"}]));
    }
}
