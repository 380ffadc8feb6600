//! One spelling for one telephone number, so that it is one identifier.

use phonenumber::Mode;

/// The number in E.164 and, where a country has two spellings of its mobile numbers,
/// in the present one. `None` for what is no number.
///
/// Whether a number is in use is not asked: plans change faster than libraries.
pub(crate) fn normal_phone(shown: &str) -> Option<String> {
    let digits: String = shown.chars().filter(char::is_ascii_digit).collect();
    let is_number = shown.trim_start().starts_with('+')
        && (7..=15).contains(&digits.len())
        && !digits.starts_with('0');
    if !is_number {
        return None;
    }
    let number = match phonenumber::parse(None, format!("+{digits}")) {
        Ok(number) => number.format().mode(Mode::E164).to_string(),
        Err(_) => format!("+{digits}"),
    };
    Some(present_spelling(&number).unwrap_or(number))
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
        for text in ["", "+", "14155550123", "+0123456789", "+123", "+1234567890123456", "ES.1A2B"]
        {
            assert_eq!(normal_phone(text), None, "{text}");
        }
    }
}
