//! What a customer's file may be called when a person fetches it: what it says it is,
//! if its first bytes say the same. Pure.

/// How many bytes [`served_type`] looks at, at most.
pub const HEAD_BYTES: usize = 512;

/// What no browser shows, runs or guesses at.
const UNKNOWN: &str = "application/octet-stream";

/// Bytes at the start of files, from an offset, and the types that have them.
const STARTS: &[(usize, &[u8], &[&str])] = &[
    (0, b"\x89PNG\r\n\x1a\n", &["image/png"]),
    (0, b"\xff\xd8\xff", &["image/jpeg"]),
    (0, b"GIF8", &["image/gif"]),
    (8, b"WEBP", &["image/webp"]),
    (0, b"%PDF-", &["application/pdf"]),
    (4, b"ftyp", &["video/mp4", "video/3gpp", "video/quicktime", "audio/mp4", "audio/aac"]),
    (0, b"OggS", &["audio/ogg", "video/ogg", "application/ogg"]),
    (0, b"ID3", &["audio/mpeg"]),
    (0, b"\xff\xfb", &["audio/mpeg"]),
    (0, b"\xff\xf3", &["audio/mpeg"]),
    (0, b"\xff\xf1", &["audio/aac"]),
    (0, b"\xff\xf9", &["audio/aac"]),
    (0, b"#!AMR", &["audio/amr"]),
    (8, b"WAVE", &["audio/wav", "audio/x-wav"]),
    (
        0,
        b"PK\x03\x04",
        &[
            "application/zip",
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        ],
    ),
    (
        0,
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        &["application/msword", "application/vnd.ms-excel", "application/vnd.ms-powerpoint"],
    ),
];

/// Text that is read and never run.
const TEXTS: &[&str] = &["text/plain", "text/csv", "text/vcard", "text/x-vcard", "text/calendar"];

/// The type to serve a file as: the declared one where the file begins like it, else a
/// type that nobody opens by itself.
pub fn served_type(declared: &str, head: &[u8]) -> &'static str {
    let essence = declared.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let text = TEXTS.iter().find(|text| **text == essence);
    if let Some(text) = text.filter(|_| is_text(head)) {
        return text;
    }
    let begins = |(offset, start, types): &&(usize, &[u8], &'static [&'static str])| {
        let found = head.get(*offset..).is_some_and(|rest| rest.starts_with(start));
        found && types.contains(&essence.as_str())
    };
    let types = STARTS.iter().find(begins).map(|(_, _, types)| *types).unwrap_or_default();
    types.iter().find(|known| **known == essence).copied().unwrap_or(UNKNOWN)
}

/// No control character but those of lines; a character cut in two at the end counts.
fn is_text(head: &[u8]) -> bool {
    let valid = match std::str::from_utf8(head) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none(),
    };
    let is_line = |byte: &u8| *byte >= b' ' || matches!(byte, b'\n' | b'\r' | b'\t');
    let looks_like_markup = head.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'<');
    valid && head.iter().all(is_line) && !looks_like_markup
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_begins_like_what_it_says_keeps_its_type() {
        for (declared, head) in [
            ("image/png", b"\x89PNG\r\n\x1a\n....".as_slice()),
            ("image/jpeg", b"\xff\xd8\xff\xe0"),
            ("image/webp", b"RIFF\x24\0\0\0WEBPVP8 "),
            ("video/mp4", b"\0\0\0\x18ftypmp42"),
            ("audio/ogg", b"OggS\0"),
            ("application/pdf", b"%PDF-1.7"),
            ("text/plain", "Grüße\n".as_bytes()),
            ("text/vcard", b"BEGIN:VCARD\r\n"),
        ] {
            assert_eq!(served_type(declared, head), declared);
        }
        assert_eq!(served_type("Audio/OGG; codecs=opus", b"OggS\0"), "audio/ogg");
    }

    #[test]
    fn a_file_that_is_not_what_it_says_or_could_be_run_is_served_as_bytes() {
        for (declared, head) in [
            ("image/png", b"<html><script>".as_slice()),
            ("image/png", b"\xff\xd8\xff\xe0"),
            ("image/svg+xml", b"<svg onload=alert(1)>"),
            ("text/html", b"<html>"),
            ("text/plain", b"<!doctype html>"),
            ("text/plain", b"MZ\x90\0"),
            ("application/x-msdownload", b"MZ\x90\0"),
            ("image/jpeg", b""),
            ("", b"%PDF-1.7"),
        ] {
            assert_eq!(served_type(declared, head), UNKNOWN, "{declared}");
        }
    }
}
