//! Which column of a file is what, by its header row.

use csv::StringRecord;

/// What is read of a file; every other column is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Name,
    Emails,
    Phones,
    Plan,
}

/// Headers of each field, in lower case and without anything between the letters.
const HEADERS: &[(Field, &[&str])] = &[
    (Field::Name, &["name", "fullname", "customer", "customername"]),
    (Field::Emails, &["email", "emails", "mail", "emailaddress", "emailaddresses"]),
    (
        Field::Phones,
        &["phone", "phones", "telephone", "mobile", "phonenumber", "phonenumbers", "whatsapp"],
    ),
    (Field::Plan, &["plan", "subscription", "tier"]),
];

/// Where each field stands in a row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Columns {
    pub(crate) name: Option<usize>,
    pub(crate) emails: Option<usize>,
    pub(crate) phones: Option<usize>,
    pub(crate) plan: Option<usize>,
    /// Headers of what is not read.
    pub(crate) ignored: Vec<String>,
}

/// Why a header row says too little or too much.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HeaderError {
    #[error("the first line names no column `email` or `phone`")]
    NoAddress,
    #[error("the first line names two columns for {0}")]
    Twice(String),
}

impl Columns {
    pub(crate) fn of(headers: &StringRecord) -> Result<Self, HeaderError> {
        let mut columns = Self::default();
        for (at, header) in headers.iter().enumerate() {
            let slot = match field(header) {
                Some(Field::Name) => &mut columns.name,
                Some(Field::Emails) => &mut columns.emails,
                Some(Field::Phones) => &mut columns.phones,
                Some(Field::Plan) => &mut columns.plan,
                None => {
                    columns.ignored.push(header.trim().to_owned());
                    continue;
                }
            };
            if slot.replace(at).is_some() {
                return Err(HeaderError::Twice(header.trim().to_owned()));
            }
        }
        match (columns.emails, columns.phones) {
            (None, None) => Err(HeaderError::NoAddress),
            _ => Ok(columns),
        }
    }
}

fn field(header: &str) -> Option<Field> {
    let letters: String =
        header.chars().filter(|sign| sign.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    HEADERS.iter().find(|(_, names)| names.contains(&letters.as_str())).map(|(field, _)| *field)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(headers: &[&str]) -> Result<Columns, HeaderError> {
        Columns::of(&StringRecord::from(headers.to_vec()))
    }

    #[test]
    fn columns_are_found_in_any_order_and_spelling_and_others_are_left_alone() {
        let columns = of(&["Plan", " E-Mail Addresses ", "CRM id", "Full_Name", "Phone number"]);

        let expected = Columns {
            name: Some(3),
            emails: Some(1),
            phones: Some(4),
            plan: Some(0),
            ignored: vec!["CRM id".into()],
        };
        assert_eq!(columns, Ok(expected));
        assert!(of(&["email"]).is_ok() && of(&["phone"]).is_ok());
    }

    #[test]
    fn a_header_that_says_too_little_or_too_much_is_refused() {
        assert_eq!(of(&["name", "plan"]), Err(HeaderError::NoAddress));
        assert_eq!(of(&["sam@example.org", "Sam"]), Err(HeaderError::NoAddress));
        assert_eq!(of(&["email", "E-mails"]), Err(HeaderError::Twice("E-mails".into())));
    }
}
