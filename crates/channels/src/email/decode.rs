//! A part's bytes: transfer encoding, character set and flowed lines undone, leniently.

use mail_parser::decoders::charsets::map::charset_decoder;
use mail_parser::decoders::quoted_printable::quoted_printable_decode_char;

/// Undoes the transfer encoding; stops when so many bytes are there.
pub(super) fn transfer(bytes: &[u8], encoding: &str, most: usize) -> Vec<u8> {
    match encoding.trim().to_ascii_lowercase().as_str() {
        "base64" => base64(bytes, most),
        "quoted-printable" => quoted_printable(bytes, most),
        _ => bytes.get(..most).unwrap_or(bytes).to_vec(),
    }
}

/// How many bytes that gives, without holding them where that is easy.
pub(super) fn size(bytes: &[u8], encoding: &str) -> u64 {
    let count = if encoding.trim().eq_ignore_ascii_case("base64") {
        let is_digit =
            |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_');
        bytes.iter().filter(is_digit).count() * 3 / 4
    } else if encoding.trim().eq_ignore_ascii_case("quoted-printable") {
        quoted_printable(bytes, usize::MAX).len()
    } else {
        bytes.len()
    };
    count as u64
}

/// Skips what is no base64; padding in the middle ends a group.
fn base64(bytes: &[u8], most: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(most.min(bytes.len() / 4 * 3 + 3));
    let (mut group, mut bits) = (0_u32, 0_u32);
    for byte in bytes {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            b'=' => {
                (group, bits) = (0, 0);
                continue;
            }
            _ => continue,
        };
        group = group << 6 | u32::from(value);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push((group >> bits & 0xff) as u8);
            if out.len() >= most {
                break;
            }
        }
    }
    out
}

/// A bad escape stays as it stands.
fn quoted_printable(bytes: &[u8], most: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(most.min(bytes.len()));
    let mut rest = bytes;
    while let Some((first, after)) = rest.split_first() {
        if out.len() >= most {
            break;
        }
        rest = after;
        if *first != b'=' {
            out.push(*first);
            continue;
        }
        // White space between the sign and the end of its line is added by transport.
        let blank = after.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r')).count();
        match (after, after.get(blank)) {
            (_, Some(b'\n')) => rest = after.get(blank + 1..).unwrap_or_default(),
            (_, None) => break,
            ([high, low, next @ ..], _) => match quoted_printable_decode_char(*high, *low) {
                Some(byte) => {
                    out.push(byte);
                    rest = next;
                }
                None => out.push(b'='),
            },
            _ => out.push(b'='),
        }
    }
    out
}

/// Text by its label; without a usable one UTF-8, else windows-1252.
pub(super) fn text(bytes: &[u8], charset: Option<&str>) -> String {
    let label = charset.unwrap_or_default().trim().trim_matches(['"', '\'']).to_ascii_lowercase();
    let decoder = match label.as_str() {
        "" | "us-ascii" | "ascii" | "utf-8" | "utf8" | "unknown-8bit" => None,
        // HTML's meaning of these labels: what mail programs put behind them.
        "iso-8859-1" | "latin1" => charset_decoder(b"windows-1252"),
        "gb2312" | "gbk" | "x-gbk" => charset_decoder(b"gb18030"),
        "ks_c_5601-1987" | "ks_c_5601" | "ksc5601" => charset_decoder(b"euc-kr"),
        // A mail's text in UTF-8 is often labelled as something else, not the reverse.
        label if label.is_ascii() && label.len() < 45 => charset_decoder(label.as_bytes()),
        _ => None,
    };
    match decoder {
        Some(decode) if !is_seven_bit_set(&label) && has_high_bytes(bytes) => decode(bytes),
        Some(decode) if is_seven_bit_set(&label) || is_wide_set(&label) => decode(bytes),
        _ => unlabelled(bytes),
    }
}

fn has_high_bytes(bytes: &[u8]) -> bool {
    !bytes.is_ascii()
}

/// Sets that write everything in seven bits.
fn is_seven_bit_set(label: &str) -> bool {
    label.starts_with("iso-2022")
        || label.starts_with("utf-7")
        || label == "utf7"
        || label == "hz-gb-2312"
        || label == "csiso2022jp"
        || label == "unicode-1-1-utf-7"
}

/// Sets of two or four bytes for every character.
fn is_wide_set(label: &str) -> bool {
    label.starts_with("utf-16") || label.starts_with("utf-32") || label.starts_with("ucs-2")
}

/// Line by line, as mails pasted together from two sources need it.
fn unlabelled(bytes: &[u8]) -> String {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(bytes.len() + bytes.len() / 8);
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        match std::str::from_utf8(line) {
            Ok(text) => out.push_str(text),
            Err(error) if error.error_len().is_none() && line.len() > 100_000 => {
                // Only the cut at the limit went through a character.
                out.push_str(&String::from_utf8_lossy(line));
            }
            Err(_) => out.push_str(&windows_1252(line)),
        }
    }
    out
}

pub(super) fn windows_1252(bytes: &[u8]) -> String {
    match charset_decoder(b"windows-1252") {
        Some(decode) => decode(bytes),
        None => String::from_utf8_lossy(bytes).into_owned(),
    }
}

/// Joins the lines of `format=flowed` (RFC 3676); with `delete_space` the space at which
/// a line was broken goes as well.
pub(super) fn unflowed(text: &str, delete_space: bool) -> String {
    let mut out = String::with_capacity(text.len());
    // Quote depth of the paragraph that is still open.
    let mut open: Option<usize> = None;
    for line in text.lines() {
        let depth = line.bytes().take_while(|byte| *byte == b'>').count();
        let content = line.get(depth..).unwrap_or_default();
        let content = content.strip_prefix(' ').unwrap_or(content);
        if open != Some(depth) {
            if open.is_some() {
                out.push('\n');
            }
            out.extend(std::iter::repeat_n('>', depth));
            if depth > 0 && !content.is_empty() {
                out.push(' ');
            }
        }
        let soft = content.ends_with(' ') && content != "-- ";
        match content.strip_suffix(' ') {
            Some(kept) if soft && delete_space => out.push_str(kept),
            _ => out.push_str(content),
        }
        open = soft.then_some(depth);
        if !soft {
            out.push('\n');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: usize = usize::MAX;

    #[test]
    fn base64_with_junk_and_padding_in_the_middle_is_read() {
        assert_eq!(transfer(b"SGVs\r\n!!bG8=\r\nIQ==", "BASE64 ", ALL), b"Hello!");
        assert_eq!(transfer(b"SGVsbG8h", "base64", 3), b"Hel");
        assert!(transfer(b"=", "base64", ALL).is_empty());
    }

    #[test]
    fn quoted_printable_with_bad_escapes_keeps_them() {
        assert_eq!(
            transfer(b"a=\r\nb=3Dc=zz=\t \nd 100 = 5=", "quoted-printable", ALL),
            b"ab=c=zzd 100 = 5"
        );
    }

    #[test]
    fn a_text_is_read_by_its_label_and_without_one_as_what_it_is() {
        for (bytes, label, text_) in [
            (&b"caf\xe9 12 \x80"[..], Some("iso-8859-1"), "café 12 €"),
            (b"caf\xe9", None, "café"),
            ("café".as_bytes(), None, "café"),
            ("café".as_bytes(), Some("us-ascii"), "café"),
            (b"caf\xe9", Some("x-unknown"), "café"),
            (b"caf\xe9", Some("utf-8"), "café"),
            (b"\xc4\xe3\xba\xc3", Some("gb2312"), "你好"),
            (b"\xbe\xc8\xb3\xe7", Some("ks_c_5601-1987"), "안녕"),
            (b"\x1b$B$3$s\x1b(B", Some("ISO-2022-JP"), "こん"),
            (b"Hi Mom -+Jjo--!", Some("UTF-7"), "Hi Mom -☺-!"),
            (b"\xf0\xd2\xc9\xd7\xc5\xd4", Some("koi8-r"), "Привет"),
        ] {
            assert_eq!(text(bytes, label), text_, "{label:?}");
        }
        assert_eq!(text(b"caf\xc3\xa9\ncaf\xe9", Some("utf-8")), "café\ncafé");
    }

    #[test]
    fn flowed_lines_are_joined_within_their_quote_depth() {
        assert_eq!(
            unflowed("a \nb\n> c \n> d\ne \n> f\n-- \nme", false),
            "a b\n> c d\ne \n> f\n-- \nme\n"
        );
        assert_eq!(unflowed("brei \nten  \nFenster", true), "breiten Fenster\n");
    }
}
