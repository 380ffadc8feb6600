//! Ticket refs: `TF-YYYYMMDD-XXXX`, what a customer quotes.

use std::fmt;
use std::str::FromStr;

use chrono::NaiveDate;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Crockford base 32: no I, L, O, U.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Numbers that fit into four symbols.
const FOUR_SYMBOLS: u32 = 1 << 20;

/// Numbers that fit into five symbols: the most a day can have.
const FIVE_SYMBOLS: u32 = 1 << 25;

/// A ticket's public name, checked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TicketRef(String);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a ticket ref of the form TF-YYYYMMDD-XXXX")]
pub struct InvalidTicketRef;

impl TicketRef {
    /// Tickets that one day can name.
    pub const PER_DAY: u32 = FIVE_SYMBOLS;

    /// The ref of the day's `number`th ticket, counted from 0. Neighbours look
    /// unrelated; distinct numbers below [`Self::PER_DAY`] give distinct refs.
    /// `None` beyond.
    pub fn numbered(day: NaiveDate, number: u32) -> Option<Self> {
        let (bits, symbols) = match number {
            n if n < FOUR_SYMBOLS => (20, 4),
            n if n < FIVE_SYMBOLS => (25, 5),
            _ => return None,
        };
        let permuted = permute(number, bits, day);
        let code: String = (0..symbols)
            .rev()
            .filter_map(|place| ALPHABET.get((permuted >> (5 * place)) as usize & 31))
            .map(|symbol| char::from(*symbol))
            .collect();
        Some(Self(format!("TF-{}-{code}", day.format("%Y%m%d"))))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A bijection on `bits` bits: odd multiplication and xor-shifts are each
/// invertible modulo a power of two. The day moves the starting point.
fn permute(number: u32, bits: u32, day: NaiveDate) -> u32 {
    let mask = (1_u32 << bits) - 1;
    let shift = bits / 2;
    let salt = chrono::Datelike::num_days_from_ce(&day).unsigned_abs().wrapping_mul(0x9E37_79B1);
    let mut x = number.wrapping_add(salt) & mask;
    for multiplier in [0x2C1B_3C6D_u32, 0x297A_2D39, 0x7FEB_352D] {
        x = x.wrapping_mul(multiplier) & mask;
        x ^= x >> shift;
    }
    x
}

impl FromStr for TicketRef {
    type Err = InvalidTicketRef;

    fn from_str(text: &str) -> Result<Self, InvalidTicketRef> {
        let rest = text.strip_prefix("TF-").ok_or(InvalidTicketRef)?;
        let (day, code) = rest.split_once('-').ok_or(InvalidTicketRef)?;
        let day_ok = day.len() == 8
            && day.bytes().all(|b| b.is_ascii_digit())
            && NaiveDate::parse_from_str(day, "%Y%m%d").is_ok();
        let code_ok = matches!(code.len(), 4 | 5) && code.bytes().all(|b| ALPHABET.contains(&b));
        if day_ok && code_ok { Ok(Self(text.to_owned())) } else { Err(InvalidTicketRef) }
    }
}

impl TryFrom<String> for TicketRef {
    type Error = InvalidTicketRef;

    fn try_from(text: String) -> Result<Self, InvalidTicketRef> {
        text.parse()
    }
}

impl fmt::Display for TicketRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for TicketRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for TicketRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn day() -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 1, 5).unwrap()
    }

    #[test]
    fn the_first_million_refs_of_a_day_are_distinct_and_have_four_symbols() {
        let refs: HashSet<_> =
            (0..FOUR_SYMBOLS).map(|n| TicketRef::numbered(day(), n).unwrap().0).collect();

        assert_eq!(refs.len(), FOUR_SYMBOLS as usize);
        assert!(refs.iter().all(|text| text.len() == "TF-20260105-XXXX".len()));
    }

    #[test]
    fn beyond_the_million_a_fifth_symbol_follows() {
        let sample: HashSet<_> = (FOUR_SYMBOLS..FOUR_SYMBOLS + 100_000)
            .map(|n| TicketRef::numbered(day(), n).unwrap().0)
            .collect();

        assert_eq!(sample.len(), 100_000);
        assert!(sample.iter().all(|text| text.len() == "TF-20260105-XXXXX".len()));
        assert_eq!(TicketRef::numbered(day(), TicketRef::PER_DAY), None);
    }

    #[test]
    fn what_is_made_parses_and_rubbish_does_not() {
        let made = TicketRef::numbered(day(), 77).unwrap();

        assert_eq!(made.as_str().parse(), Ok(made.clone()));
        for rubbish in
            ["", "TF-", "TF-20260105-", "TF-20261305-AAAA", "TF-20260105-AAIL", "TF-20260105-aaaa"]
        {
            assert_eq!(rubbish.parse::<TicketRef>(), Err(InvalidTicketRef), "{rubbish}");
        }
    }
}
