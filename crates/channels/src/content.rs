//! What changes from reply to reply, on every channel.

use contract::TicketRef;

use crate::plain::{without_symbols, words};

/// What changes from reply to reply. The body may be Markdown and may be cut; the
/// other parts are never cut.
#[derive(Debug, Clone, Copy)]
pub struct Content<'a> {
    /// As the customer typed it.
    pub name: &'a str,
    pub ticket_ref: &'a TicketRef,
    /// First lines, before the body.
    pub opening: &'a str,
    pub body: &'a str,
    /// Last lines, after the body.
    pub closing: &'a str,
    /// Where the body comes from.
    pub source: &'a str,
}

/// Longest name that is used in a greeting.
const NAME_CHARS: usize = 40;

/// A name that can stand in a greeting: letters, spaces, hyphens, apostrophes, dots
/// after initials. Anything else may be a text that wants to be read.
pub(crate) fn name(typed: &str) -> Option<String> {
    let name = without_symbols(typed).split_whitespace().collect::<Vec<_>>().join(" ");
    let fits = !name.is_empty() && name.chars().count() <= NAME_CHARS && words(&name) <= 4;
    let is_mark = |symbol| matches!(symbol, ' ' | '-' | '\'' | '’' | '.');
    let plain = name.chars().all(|symbol| symbol.is_alphabetic() || is_mark(symbol));
    // "J. R." is a name, "win.example" an address.
    let is_address = name
        .split(' ')
        .map(|word| word.trim_end_matches('.'))
        .any(|word| word.contains('.') && word.split('.').any(|part| part.chars().count() > 2));
    (fits && plain && !is_address && name.chars().any(char::is_alphabetic)).then_some(name)
}

/// The first word of a name.
pub(crate) fn first_name(typed: &str) -> Option<String> {
    name(typed)?.split(' ').next().map(str::to_owned)
}
