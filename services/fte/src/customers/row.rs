//! One row of a file as the entry of a customer.

use channels::phone::{Country, normal_phone, normal_phone_in};
use contract::{CustomerId, Plan};
use csv::StringRecord;
use store::customer_records::Entry;
use webform_ingress::EmailAddress;

use crate::customers::columns::Columns;

/// Between several addresses in one cell.
const SEPARATOR: char = ';';

/// More addresses than a person has; a cell with more is a mistake in the file.
const MOST_ADDRESSES: usize = 20;

/// Longest name that is kept, in characters.
const NAME_CHARS: usize = 200;

/// Why a row is not read. Says where to look, without the customer's data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RowError {
    #[error("it has {0} cells, the first line has {1}")]
    Cells(usize, usize),
    #[error("it has neither e-mail address nor phone number")]
    NoAddress,
    #[error("e-mail address {0} is not valid")]
    Email(usize),
    #[error("phone number {0} is not valid{1}")]
    Phone(usize, &'static str),
    #[error("the plan is none of free, pro, enterprise")]
    Plan,
    #[error("it has more than {MOST_ADDRESSES} addresses")]
    TooMany,
    #[error("the name is longer than {NAME_CHARS} characters")]
    LongName,
}

/// Added where a number could be one within a country.
const NO_COUNTRY: &str = ": without +, --default-country is needed";

pub(crate) fn entry(
    line: u64,
    row: &StringRecord,
    width: usize,
    columns: &Columns,
    country: Option<Country>,
) -> Result<Entry, RowError> {
    if row.len() != width {
        return Err(RowError::Cells(row.len(), width));
    }
    let cell = |at: Option<usize>| at.and_then(|at| row.get(at)).unwrap_or_default().trim();
    let mut identifiers: Vec<(&'static str, String)> = Vec::new();
    for (place, text) in (1..).zip(several(cell(columns.emails))) {
        let address: EmailAddress = text.parse().map_err(|_| RowError::Email(place))?;
        identifiers.push(("email", address.into_string().to_lowercase()));
    }
    for (place, text) in (1..).zip(several(cell(columns.phones))) {
        identifiers.push(("phone", phone(place, text, country)?));
    }
    let first = identifiers.first().ok_or(RowError::NoAddress)?;
    // As the resolver names who writes from there for the first time.
    let new_id = CustomerId::named(&format!("{}:{}", first.0, first.1));
    identifiers.sort();
    identifiers.dedup();
    if identifiers.len() > MOST_ADDRESSES {
        return Err(RowError::TooMany);
    }
    Ok(Entry {
        line,
        new_id,
        name: name(cell(columns.name))?,
        plan: plan(cell(columns.plan))?,
        identifiers,
    })
}

fn several(cell: &str) -> impl Iterator<Item = &str> {
    cell.split(SEPARATOR).map(str::trim).filter(|text| !text.is_empty())
}

fn phone(place: usize, text: &str, country: Option<Country>) -> Result<String, RowError> {
    match country {
        Some(country) => normal_phone_in(country, text).ok_or(RowError::Phone(place, "")),
        None => {
            let hint = if text.starts_with('+') { "" } else { NO_COUNTRY };
            normal_phone(text).ok_or(RowError::Phone(place, hint))
        }
    }
}

fn name(cell: &str) -> Result<String, RowError> {
    let plain: String = cell.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let name = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    if name.chars().count() > NAME_CHARS { Err(RowError::LongName) } else { Ok(name) }
}

fn plan(cell: &str) -> Result<Option<Plan>, RowError> {
    match cell.to_lowercase() {
        empty if empty.is_empty() => Ok(None),
        word => Plan::try_from(word).map(Some).map_err(|_| RowError::Plan),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(cells: [&str; 4], country: Option<&str>) -> Result<Entry, RowError> {
        let header = StringRecord::from(vec!["name", "email", "phone", "plan"]);
        let columns = Columns::of(&header).unwrap();
        let country = country.map(|code| code.parse().unwrap());
        entry(7, &StringRecord::from(cells.to_vec()), 4, &columns, country)
    }

    #[test]
    fn a_row_becomes_an_entry_in_normal_form() {
        let cells =
            [" Sam\tDoe ", "Sam@Example.ORG; s@work.example;", "+52 1 55 1234 5678;", " Pro "];

        let entry = read(cells, None).unwrap();

        assert_eq!((entry.line, entry.name.as_str(), entry.plan), (7, "Sam Doe", Some(Plan::Pro)));
        assert_eq!(entry.new_id, CustomerId::named("email:sam@example.org"));
        let expected =
            [("email", "s@work.example"), ("email", "sam@example.org"), ("phone", "+525512345678")];
        assert_eq!(entry.identifiers, expected.map(|(kind, value)| (kind, value.to_owned())));
    }

    #[test]
    fn both_spellings_of_a_number_in_one_row_are_one_identifier() {
        for (one, other) in [
            ("+5215512345678", "+525512345678"),
            ("+541123456789", "+5491123456789"),
            ("+551187654321", "+5511987654321"),
        ] {
            let entry = read(["", "", &format!("{one};{other}"), ""], None).unwrap();
            assert_eq!(entry.identifiers.len(), 1, "{one}");
            assert_eq!((entry.name.as_str(), entry.plan), ("", None));
        }
        let at_home = read(["", "", "55 1234 5678", ""], Some("MX")).unwrap();
        assert_eq!(at_home.identifiers, [("phone", "+525512345678".to_owned())]);
    }

    #[test]
    fn what_cannot_be_read_says_where_and_not_what() {
        let cases = [
            (["Sam", "", " ; ", "pro"], RowError::NoAddress),
            (["Sam", "sam@example.org; sam", "", ""], RowError::Email(2)),
            (["Sam", "Sam <sam@example.org>", "", ""], RowError::Email(1)),
            (["Sam", "", "415 555 0123", ""], RowError::Phone(1, NO_COUNTRY)),
            (["Sam", "", "+1", ""], RowError::Phone(1, "")),
            (["Sam", "sam@example.org", "", "gold"], RowError::Plan),
        ];
        for (cells, expected) in cases {
            assert_eq!(read(cells, None), Err(expected), "{cells:?}");
        }
        let long = "x".repeat(201);
        assert_eq!(read([&long, "a@example.org", "", ""], None), Err(RowError::LongName));
        let many: Vec<String> = (0..21).map(|n| format!("a{n}@example.org")).collect();
        assert_eq!(read(["", &many.join(";"), "", ""], None), Err(RowError::TooMany));
        let columns = Columns { emails: Some(0), ..Columns::default() };
        let short = StringRecord::from(vec!["a@example.org"]);
        assert_eq!(entry(2, &short, 2, &columns, None), Err(RowError::Cells(1, 2)));
    }
}
