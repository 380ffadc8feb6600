//! One spelling for one telephone number, so that it is one identifier.

use std::ops::RangeInclusive;
use std::str::FromStr;

use phonenumber::Mode;

/// Digits of a number in E.164, without the plus sign.
const DIGITS: RangeInclusive<usize> = 7..=15;

/// The country whose numbers are written without their country code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Country(phonenumber::country::Id);

/// Not a code of ISO 3166-1 that telephone numbers go by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is no country of two letters, such as US")]
pub struct UnknownCountry;

impl FromStr for Country {
    type Err = UnknownCountry;

    fn from_str(text: &str) -> Result<Self, UnknownCountry> {
        text.to_ascii_uppercase().parse().map(Self).map_err(|_| UnknownCountry)
    }
}

/// The number in E.164 and, where a country has two spellings of its mobile numbers,
/// in the present one. `None` for what is no number with its country code.
///
/// Whether a number is in use is not asked: plans change faster than libraries.
pub fn normal_phone(shown: &str) -> Option<String> {
    let digits = digits(shown.trim().strip_prefix('+')?)?;
    if !DIGITS.contains(&digits.len()) || digits.starts_with('0') {
        return None;
    }
    let number = match phonenumber::parse(None, format!("+{digits}")) {
        Ok(number) => number.format().mode(Mode::E164).to_string(),
        Err(_) => format!("+{digits}"),
    };
    Some(present_spelling(&number).unwrap_or(number))
}

/// As [`normal_phone`], also for a number as it is dialled within a country. Since its
/// country is a guess, such a number must exist in that country's plan.
pub fn normal_phone_in(country: Country, shown: &str) -> Option<String> {
    if shown.trim().starts_with('+') {
        return normal_phone(shown);
    }
    let dialled = phonenumber::parse(Some(country.0), digits(shown)?).ok()?;
    let number = normal_phone(&dialled.format().mode(Mode::E164).to_string())?;
    phonenumber::parse(None, &number).is_ok_and(|number| number.is_valid()).then_some(number)
}

/// The digits of what holds nothing else but the signs that people put between them.
fn digits(shown: &str) -> Option<String> {
    let is_between =
        |sign: char| sign.is_whitespace() || "-\u{2010}\u{2011}\u{2013}()./".contains(sign);
    let kept: String = shown.chars().filter(|sign| !is_between(*sign)).collect();
    kept.bytes().all(|byte| byte.is_ascii_digit()).then_some(kept)
}

/// WhatsApp keeps ids that were made before a country changed its numbers.
fn present_spelling(number: &str) -> Option<String> {
    // Mexico dropped the 1 before mobile numbers in 2019.
    if let Some(national) = number.strip_prefix("+521")
        && national.len() == 10
    {
        return Some(format!("+52{national}"));
    }
    // Argentina writes a 9 before mobile numbers, for callers from abroad only. Its
    // mobile and fixed numbers do not overlap, so the longer form names both.
    if let Some(national) = number.strip_prefix("+54")
        && national.len() == 10
        && !national.starts_with('9')
    {
        return Some(format!("+549{national}"));
    }
    // Brazil put a 9 before the eight digits of mobile numbers, behind the area code.
    if let Some(national) = number.strip_prefix("+55")
        && national.len() == 10
        && let Some((area, subscriber)) = national.split_at_checked(2)
        && subscriber.starts_with(['6', '7', '8', '9'])
    {
        return Some(format!("+55{area}9{subscriber}"));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_of_one_number_are_one() {
        for (one, other, expected) in [
            ("+5215512345678", "+525512345678", "+525512345678"),
            ("+541123456789", "+5491123456789", "+5491123456789"),
            ("+551187654321", "+5511987654321", "+5511987654321"),
            ("+55 (11) 98765-4321", "+55 11 8765 4321", "+5511987654321"),
        ] {
            assert_eq!(normal_phone(one).as_deref(), Some(expected), "{one}");
            assert_eq!(normal_phone(other).as_deref(), Some(expected), "{other}");
        }
    }

    #[test]
    fn other_numbers_stay_as_they_are() {
        for number in
            ["+14155550123", "+551130123456", "+447911123456", "+34612345678", "+919876543210"]
        {
            assert_eq!(normal_phone(number).as_deref(), Some(number));
        }
        assert_eq!(normal_phone("+99912345678").as_deref(), Some("+99912345678"));
    }

    #[test]
    fn what_is_no_number_is_none() {
        for text in [
            "",
            "+",
            "14155550123",
            "+0123456789",
            "+123",
            "+1234567890123456",
            "ES.1A2B",
            "+1 415 555 0123 ext. 5",
            "+1 (415) CALL-NOW",
            "++14155550123",
            "+٤٩٣٠٩٠١٨٢٠",
        ] {
            assert_eq!(normal_phone(text), None, "{text}");
        }
    }

    #[test]
    fn a_number_as_dialled_at_home_meets_its_international_spelling() {
        let cases = [
            ("US", "(415) 555-2671", "+14155552671"),
            ("DE", "030 901820", "+4930901820"),
            ("de", "0049 30 901820", "+4930901820"),
            ("GB", "07911 123456", "+447911123456"),
            ("MX", "55 1234 5678", "+525512345678"),
            ("BR", "11 98765-4321", "+5511987654321"),
            ("BR", "11 8765-4321", "+5511987654321"),
            ("AR", "9 11 2345-6789", "+5491123456789"),
            ("AR", "011 2345-6789", "+5491123456789"),
            ("US", "+5215512345678", "+525512345678"),
        ];
        for (country, dialled, expected) in cases {
            let found = normal_phone_in(country.parse().unwrap(), dialled);
            assert_eq!(found.as_deref(), Some(expected), "{country} {dialled}");
        }
    }

    #[test]
    fn what_no_plan_holds_is_not_made_a_number_of_the_country() {
        for (country, dialled) in [("US", "12345"), ("US", "1234567"), ("US", "n/a"), ("DE", "")] {
            assert_eq!(normal_phone_in(country.parse().unwrap(), dialled), None, "{dialled}");
        }
        assert_eq!("Germany".parse::<Country>(), Err(UnknownCountry));
        assert_eq!("XX".parse::<Country>(), Err(UnknownCountry));
    }
}
