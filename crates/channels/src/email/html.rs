//! A mail's HTML as lines of text: what an eye would see, quotes marked, links kept.
//!
//! Nothing is rendered or fetched.

mod style;
mod tokens;

use super::lines::Line;
use super::lists::QUOTES;
use style::{Look, Sheet};
use tokens::{Token, Tokens, attribute, decoded};

/// Deeper than any mail program nests; what is beyond looks like its surroundings.
const DEEPEST: usize = 4_096;

/// A longer address helps nobody who reads the text.
const LONGEST_LINK: usize = 500;

const VOID: &[&str] = &[
    "br", "img", "hr", "input", "meta", "link", "area", "base", "col", "embed", "param", "source",
    "track", "wbr",
];

/// Elements that stand on lines of their own, and those with space around them.
const BLOCKS: &[&str] = &[
    "address", "article", "aside", "body", "center", "dd", "div", "dl", "dt", "fieldset", "footer",
    "form", "header", "li", "main", "nav", "section", "tr", "tbody", "thead", "tfoot", "caption",
];
const SPACED: &[&str] =
    &["p", "blockquote", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "table", "pre", "hr"];

/// An end tag that is often left away, before another of its kind.
const REPEATED: &[&str] = &["p", "li", "td", "th", "tr", "dd", "dt", "option"];

/// An element that is open.
#[derive(Debug)]
struct Frame {
    name: String,
    look: Look,
    quote: usize,
    in_blockquote: bool,
    is_preformatted: bool,
    link: Option<Link>,
}

#[derive(Debug)]
struct Link {
    address: String,
    /// What the line had before it.
    lines: usize,
    start: usize,
}

#[derive(Debug, Default)]
struct Writer {
    frames: Vec<Frame>,
    sheet: Sheet,
    lines: Vec<Line>,
    line: String,
    quote: usize,
    /// Everything from here on is an older mail.
    rest_is_quoted: bool,
    /// White space was met and not yet written.
    has_gap: bool,
}

/// The lines of a document.
pub(super) fn lines(html: &str) -> Vec<Line> {
    let mut writer = Writer::default();
    // A style sheet may stand below what it hides.
    for token in Tokens::of(html) {
        if let Token::Style(css) = token {
            writer.sheet.add(css);
        }
    }
    for token in Tokens::of(html) {
        match token {
            Token::Text(text) => writer.text(text),
            Token::Open { name, attributes, is_closed } => writer.open(name, attributes, is_closed),
            Token::Close { name } => writer.close(&name),
            Token::Style(_) => {}
        }
    }
    writer.end_line();
    writer.lines
}

impl Writer {
    fn text(&mut self, text: &str) {
        let top = self.frames.last();
        if top.is_some_and(|frame| !frame.look.is_visible()) {
            return;
        }
        let is_preformatted = top.is_some_and(|frame| frame.is_preformatted);
        let quote = top.map_or(0, |frame| frame.quote).max(usize::from(self.rest_is_quoted));
        for symbol in decoded(text).chars() {
            match symbol {
                '\n' if is_preformatted => self.force_line(),
                _ if symbol == '\u{a0}' || symbol.is_whitespace() => {
                    if is_preformatted || symbol == '\u{a0}' {
                        self.line.push(' ');
                    } else {
                        self.has_gap = true;
                    }
                }
                '\u{200b}'..='\u{200d}' | '\u{feff}' | '\u{ad}' | '\u{34f}'
                    if !is_joined(symbol) => {}
                _ => {
                    if quote != self.quote {
                        self.end_line();
                        self.quote = quote;
                    }
                    if self.has_gap && !self.line.is_empty() {
                        self.line.push(' ');
                    }
                    self.has_gap = false;
                    self.line.push(symbol);
                }
            }
        }
    }

    fn open(&mut self, name: String, attributes: &str, is_closed: bool) {
        self.break_before(&name);
        let visible = self.frames.last().is_none_or(|frame| frame.look.is_visible());
        match name.as_str() {
            "br" if visible => self.force_line(),
            // A picture of one sign stands for that sign.
            "img" if visible => {
                let sign = attribute(attributes, "alt").filter(|alt| {
                    alt.chars().count() <= 4
                        && !alt.is_ascii()
                        && !alt.contains(char::is_alphanumeric)
                });
                self.text(&sign.unwrap_or_default());
            }
            "td" | "th" => self.has_gap = true,
            "li" if visible && self.line.is_empty() => self.line.push_str("- "),
            _ => {}
        }
        self.note_quotes(attributes);
        if VOID.contains(&name.as_str()) || is_closed && name.contains(':') {
            return;
        }
        self.implied_close(&name);
        if self.frames.len() < DEEPEST {
            let frame = self.frame(name, attributes);
            self.frames.push(frame);
        }
    }

    fn frame(&self, name: String, attributes: &str) -> Frame {
        let top = self.frames.last();
        let mut look = top.map_or(Look::PLAIN, |frame| frame.look.clone());
        if name == "template" {
            look = look.within(" hidden", &self.sheet);
        }
        let look = look.within(attributes, &self.sheet);
        let (outer, in_blockquote) =
            top.map_or((0, false), |frame| (frame.quote, frame.in_blockquote));
        let is_cite = name == "blockquote"
            && (attribute(attributes, "type")
                .is_some_and(|kind| kind.eq_ignore_ascii_case("cite"))
                || outer > 0
                || is_quote_container(attributes));
        let quote = match is_cite {
            true if in_blockquote || outer == 0 => outer + 1,
            _ if is_quote_container(attributes) => outer.max(1),
            _ => outer,
        };
        let link =
            (name == "a").then(|| attribute(attributes, "href")).flatten().and_then(|address| {
                let address = address.trim().to_owned();
                let lower = address.to_ascii_lowercase();
                let is_readable = ["http://", "https://", "mailto:", "tel:"]
                    .iter()
                    .any(|start| lower.starts_with(start));
                let start = self.line.len();
                (is_readable && address.len() <= LONGEST_LINK).then_some(Link {
                    address,
                    lines: self.lines.len(),
                    start,
                })
            });
        Frame {
            is_preformatted: name == "pre" || top.is_some_and(|frame| frame.is_preformatted),
            in_blockquote: in_blockquote || is_cite,
            name,
            look,
            quote,
            link,
        }
    }

    fn implied_close(&mut self, name: &str) {
        let is_block = BLOCKS.contains(&name) || SPACED.contains(&name);
        while let Some(top) = self.frames.last() {
            let again = REPEATED.contains(&name) && top.name == name
                || name == "tr" && matches!(top.name.as_str(), "td" | "th")
                || matches!(name, "td" | "th") && matches!(top.name.as_str(), "td" | "th");
            if !(again || is_block && top.name == "p") {
                return;
            }
            self.frames.pop();
        }
    }

    fn close(&mut self, name: &str) {
        if let Some(at) = self.frames.iter().rposition(|frame| frame.name == name) {
            if let Some(link) = self.frames.get_mut(at).and_then(|frame| frame.link.take()) {
                let is_visible = self.frames.get(at).is_some_and(|frame| frame.look.is_visible());
                if is_visible {
                    self.write_link(&link);
                }
            }
            self.break_before(name);
            self.frames.truncate(at);
        } else if name == "br" || name == "p" {
            self.force_line();
        }
    }

    /// Puts the address behind a link's text, unless the text is the address.
    fn write_link(&mut self, link: &Link) {
        let shown = if self.lines.len() == link.lines {
            self.line.get(link.start..).unwrap_or_default()
        } else {
            &self.line
        };
        let bare = |text: &str| {
            let text = text.trim().trim_end_matches('/').to_lowercase();
            let starts = ["mailto:", "tel:", "https://", "http://", "www."];
            starts.iter().fold(text, |text, start| {
                text.strip_prefix(start).map_or(text.clone(), str::to_owned)
            })
        };
        let says_enough = shown.trim().is_empty() || bare(shown) == bare(&link.address);
        if !says_enough {
            self.line.push_str(&format!(" ({})", link.address));
        }
    }

    fn break_before(&mut self, name: &str) {
        if SPACED.contains(&name) {
            self.end_line();
            if self.lines.last().is_some_and(|line| !line.text.is_empty()) {
                self.lines.push(Line { quote: self.quote, text: String::new() });
            }
        } else if BLOCKS.contains(&name) {
            self.end_line();
        }
    }

    fn note_quotes(&mut self, attributes: &str) {
        let id = attribute(attributes, "id").unwrap_or_default().to_lowercase();
        if !id.is_empty() && QUOTES.html_rest_ids.iter().any(|known| id.ends_with(known.as_str())) {
            self.end_line();
            self.rest_is_quoted = true;
        }
    }

    /// Ends a line that has something on it.
    fn end_line(&mut self) {
        if !self.line.trim().is_empty() {
            self.force_line();
        }
        self.line.clear();
        self.has_gap = false;
    }

    fn force_line(&mut self) {
        let text = std::mem::take(&mut self.line).trim_end().to_owned();
        self.lines.push(Line { quote: self.quote, text });
        self.has_gap = false;
    }
}

/// Joiners make one sign of several.
fn is_joined(symbol: char) -> bool {
    symbol == '\u{200d}' || symbol == '\u{200c}'
}

fn is_quote_container(attributes: &str) -> bool {
    let classes = attribute(attributes, "class").unwrap_or_default().to_lowercase();
    let id = attribute(attributes, "id").unwrap_or_default().to_lowercase();
    classes.split_whitespace().any(|class| QUOTES.html_classes.iter().any(|known| known == class))
        || !id.is_empty() && QUOTES.html_ids.iter().any(|known| id.starts_with(known.as_str()))
}
