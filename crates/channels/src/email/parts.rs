//! The tree of a mail's parts, taken apart by us so that depth and number are bounded.
//!
//! The library would follow nested mails as deep as they go and hold every part at once;
//! it reads the values only.

use mail_parser::ContentType;

use super::headers::Headers;
use super::{clean, decode};

/// No mail program nests or attaches like this; what is beyond stays closed.
const DEEPEST: usize = 20;
pub(super) const MOST: usize = 300;

/// The longest header block of a part; a mail's own is bounded by its reader.
const LONGEST_BLOCK: usize = 64 << 10;

/// One node: a container or a leaf.
#[derive(Debug)]
pub(super) struct Part<'a> {
    pub(super) headers: Headers,
    /// Such as `text/plain`, in lower case.
    pub(super) mime: String,
    content_type: Option<ContentType<'static>>,
    disposition: Option<ContentType<'static>>,
    /// As it stands in the mail.
    pub(super) body: &'a [u8],
    pub(super) children: Vec<usize>,
    pub(super) parent: Option<usize>,
    depth: usize,
}

/// All parts, depth first; the first is the mail itself.
#[derive(Debug)]
pub(super) struct Parts<'a>(Vec<Part<'a>>);

impl<'a> Parts<'a> {
    /// Takes a mail apart whose header block has been read.
    pub(super) fn read(headers: Headers, body: &'a [u8]) -> Self {
        let mut parts = Self(Vec::new());
        parts.open(Part::of(headers, body, None, 0, "text/plain"));
        parts
    }

    pub(super) fn get(&self, index: usize) -> Option<&Part<'a>> {
        self.0.get(index)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &Part<'a>)> {
        self.0.iter().enumerate()
    }

    pub(super) fn children(&self, index: usize) -> impl Iterator<Item = (usize, &Part<'a>)> {
        let children = self.get(index).map_or(&[][..], |part| &part.children);
        children.iter().filter_map(|child| self.get(*child).map(|part| (*child, part)))
    }

    fn open(&mut self, part: Part<'a>) {
        let index = self.0.len();
        let (depth, body, boundary) = (part.depth, part.body, part.boundary());
        let default = if part.mime == "multipart/digest" { "message/rfc822" } else { "text/plain" };
        self.0.push(part);
        let Some(boundary) = boundary.filter(|_| depth < DEEPEST) else { return };
        for piece in Pieces::of(body, &boundary) {
            if self.0.len() >= MOST {
                break;
            }
            let block = piece.get(..LONGEST_BLOCK).unwrap_or(piece);
            let (headers, start) = Headers::read(block);
            let content = piece.get(start..).unwrap_or_default();
            let child = self.0.len();
            self.open(Part::of(headers, content, Some(index), depth + 1, default));
            if let Some(parent) = self.0.get_mut(index) {
                parent.children.push(child);
            }
        }
    }
}

impl<'a> Part<'a> {
    fn of(
        headers: Headers,
        body: &'a [u8],
        parent: Option<usize>,
        depth: usize,
        default: &str,
    ) -> Self {
        let content_type = headers.parametrized("content-type");
        let mime = content_type.as_ref().and_then(|value| {
            let subtype = value.subtype().filter(|subtype| !subtype.is_empty())?;
            Some(format!("{}/{subtype}", value.ctype()).to_ascii_lowercase())
        });
        let disposition = headers.parametrized("content-disposition");
        let mime = mime.filter(|mime| mime.len() <= 127).unwrap_or_else(|| default.to_owned());
        Self { mime, content_type, disposition, headers, body, children: Vec::new(), parent, depth }
    }

    /// A parameter of the content type.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        parameter(self.content_type.as_ref(), name)
    }

    fn boundary(&self) -> Option<Vec<u8>> {
        let boundary =
            self.mime.starts_with("multipart/").then(|| self.parameter("boundary"))??;
        // White space at its end is lost on the way (RFC 2046 §5.1.1).
        let boundary = boundary.trim_end();
        (!boundary.is_empty()).then(|| boundary.as_bytes().to_vec())
    }

    pub(super) fn is_multipart(&self) -> bool {
        self.mime.starts_with("multipart/")
    }

    pub(super) fn is_text(&self) -> bool {
        matches!(self.mime.as_str(), "text/plain" | "text/html")
            || self.is_multipart() && self.children.is_empty() && self.depth < DEEPEST
    }

    /// Said to be a file, or named like one inside a larger mail.
    pub(super) fn is_file(&self) -> bool {
        let attached = |value: &ContentType<'_>| value.ctype().eq_ignore_ascii_case("attachment");
        self.disposition.as_ref().is_some_and(attached)
            || self.parent.is_some() && self.given_name().is_some()
    }

    fn given_name(&self) -> Option<&str> {
        let name = parameter(self.disposition.as_ref(), "filename");
        name.or_else(|| self.parameter("name")).filter(|name| !name.trim().is_empty())
    }

    /// The name to show for it, never a path.
    pub(super) fn file_name(&self, index: usize) -> String {
        let given = self.given_name().map(super::encoded::decoded);
        let name = given.as_deref().and_then(clean::file_name);
        name.unwrap_or_else(|| match self.mime.as_str() {
            "message/rfc822" | "message/global" => format!("message-{index}.eml"),
            "text/calendar" => format!("invitation-{index}.ics"),
            "text/html" => format!("part-{index}.html"),
            "text/plain" => format!("part-{index}.txt"),
            "image/png" => format!("image-{index}.png"),
            "image/jpeg" => format!("image-{index}.jpg"),
            "image/gif" => format!("image-{index}.gif"),
            "application/pdf" => format!("document-{index}.pdf"),
            _ => format!("part-{index}.bin"),
        })
    }

    /// The bytes after transfer decoding, at most so many.
    pub(super) fn bytes(&self, most: usize) -> Vec<u8> {
        decode::transfer(
            self.body,
            self.headers.get("content-transfer-encoding").unwrap_or_default(),
            most,
        )
    }

    /// Bytes after transfer decoding.
    pub(super) fn size(&self) -> u64 {
        let encoding = self.headers.get("content-transfer-encoding").unwrap_or_default();
        decode::size(self.body, encoding)
    }

    /// The text of at most so many bytes, flowed lines joined.
    pub(super) fn text(&self, most: usize) -> String {
        let text = decode::text(&self.bytes(most), self.parameter("charset"));
        let is = |name: &str, value: &str| {
            self.parameter(name).is_some_and(|p| p.eq_ignore_ascii_case(value))
        };
        if self.mime == "text/plain" && is("format", "flowed") {
            return decode::unflowed(&text, is("delsp", "yes"));
        }
        text
    }
}

fn parameter<'v>(value: Option<&'v ContentType<'static>>, name: &str) -> Option<&'v str> {
    let attributes = value?.attributes()?;
    attributes.iter().find(|one| one.name.eq_ignore_ascii_case(name)).map(|one| one.value.as_ref())
}

/// What lies between the delimiter lines of a multipart body.
struct Pieces<'a, 'b> {
    rest: Option<&'a [u8]>,
    boundary: &'b [u8],
}

impl<'a, 'b> Pieces<'a, 'b> {
    fn of(body: &'a [u8], boundary: &'b [u8]) -> Self {
        let mut pieces = Self { rest: Some(body), boundary };
        pieces.next(); // the preamble
        pieces
    }
}

impl<'a> Iterator for Pieces<'a, '_> {
    type Item = &'a [u8];

    /// Up to the next delimiter; a missing last one ends with the body.
    fn next(&mut self) -> Option<&'a [u8]> {
        let body = self.rest.take()?;
        let mut at = 0;
        while let Some(rest) = body.get(at..).filter(|rest| !rest.is_empty()) {
            let end = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |nl| nl + 1);
            let line = rest.get(..end).unwrap_or(rest);
            if let Some(is_last) = delimiter(line, self.boundary) {
                self.rest = if is_last { None } else { body.get(at + end..) };
                let piece = body.get(..at).unwrap_or_default();
                // The line end before a delimiter belongs to it.
                let piece = piece.strip_suffix(b"\n").unwrap_or(piece);
                return Some(piece.strip_suffix(b"\r").unwrap_or(piece));
            }
            at += end;
        }
        Some(body).filter(|body| !body.is_empty())
    }
}

/// Whether the line is a delimiter, and the last one.
fn delimiter(line: &[u8], boundary: &[u8]) -> Option<bool> {
    let rest = line.strip_prefix(b"--")?.strip_prefix(boundary)?.trim_ascii();
    match rest {
        b"" => Some(false),
        b"--" => Some(true),
        _ => None,
    }
}
