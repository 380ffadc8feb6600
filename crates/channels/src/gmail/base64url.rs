//! Google's base64: written with the URL alphabet and padding, read in every shape that
//! was seen.

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

const ENGINE: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// With padding, as Google writes it.
pub fn encode(bytes: &[u8]) -> String {
    ENGINE.encode(bytes)
}

/// Takes either alphabet, with or without padding, and line ends; `None` for the rest.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let plain = |byte: u8| match byte {
        b'+' => b'-',
        b'/' => b'_',
        other => other,
    };
    let bytes = text.bytes().filter(|byte| !byte.is_ascii_whitespace());
    ENGINE.decode(bytes.map(plain).collect::<Vec<u8>>()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_of_base64_is_read() {
        let bytes = [0xfb_u8, 0xff, 0xbf, 0x00];

        assert_eq!(encode(&bytes), "-_-_AA==");
        for text in ["-_-_AA==", "-_-_AA", "+/+/AA==", "+/+/AA", "-_-_\r\nAA==\n"] {
            assert_eq!(decode(text).as_deref(), Some(&bytes[..]), "{text}");
        }
        assert_eq!(decode(""), Some(Vec::new()));
        assert_eq!(decode("{}"), None);
        assert_eq!(decode("A"), None);
    }
}
