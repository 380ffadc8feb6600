//! Markdown as WhatsApp writes it. Pure.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use crate::breaks::links;

/// Formatting spans longer than this lose their marks: a message may end within them.
const LONGEST_SPAN: usize = 120;

/// Bold, lists, links and code in WhatsApp's own marks; tables as lines; HTML and
/// rulers away. A mark that the text means as a letter does not format.
pub(crate) fn markup(markdown: &str) -> String {
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH;
    let mut writer = Writer::default();
    for event in Parser::new_ext(markdown, options) {
        writer.take(event);
    }
    let lines: Vec<&str> = writer.text.lines().map(str::trim_end).collect();
    let mut text = String::with_capacity(writer.text.len());
    for (at, line) in lines.iter().enumerate() {
        let above_is_blank = at == 0 || lines.get(at - 1).is_some_and(|above| above.is_empty());
        if !(line.is_empty() && above_is_blank) {
            text.push_str(line);
            text.push('\n');
        }
    }
    text.trim().to_owned()
}

#[derive(Default)]
struct Writer {
    text: String,
    /// Open bold, italic or struck spans: their mark and where their text begins.
    spans: Vec<(char, usize)>,
    /// Open links: target and where their text begins.
    targets: Vec<(String, usize)>,
    /// Open lists: the next number, if they have numbers.
    lists: Vec<Option<u64>>,
    quotes: usize,
    in_code: bool,
    in_image: bool,
    table: Table,
}

#[derive(Default)]
struct Table {
    columns: Vec<String>,
    cells: Vec<String>,
    in_head: bool,
    cell_start: usize,
}

impl Writer {
    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) if self.in_code => self.text.push_str(&text),
            Event::Text(text) => self.literal(&text),
            Event::Code(code) => self.code(&code),
            Event::SoftBreak | Event::HardBreak => self.line(),
            Event::Html(html) | Event::InlineHtml(html)
                if html.trim_start().to_ascii_lowercase().starts_with("<br") =>
            {
                self.line();
            }
            Event::Rule => self.block(),
            _ => {}
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Paragraph if self.lists.is_empty() => self.block(),
            Tag::Heading { .. } => {
                self.block();
                self.spans.push(('*', self.text.len()));
            }
            Tag::BlockQuote(_) => {
                self.block();
                self.quotes += 1;
            }
            // Without the fence's language, which would be shown as text.
            Tag::CodeBlock(_) => {
                self.block();
                self.text.push_str("```\n");
                self.in_code = true;
            }
            Tag::List(first) => {
                if self.lists.is_empty() {
                    self.block();
                }
                self.lists.push(first);
            }
            Tag::Item => self.item(),
            Tag::Emphasis => self.spans.push(('_', self.text.len())),
            Tag::Strong => self.spans.push(('*', self.text.len())),
            Tag::Strikethrough => self.spans.push(('~', self.text.len())),
            Tag::Link { dest_url, .. } => {
                self.targets.push((dest_url.into_string(), self.text.len()));
            }
            Tag::Image { .. } => self.in_image = true,
            Tag::Table(_) => {
                self.block();
                self.table = Table::default();
            }
            Tag::TableHead => self.table.in_head = true,
            Tag::TableRow => self.table.cells.clear(),
            Tag::TableCell => self.table.cell_start = self.text.len(),
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Heading(_) | TagEnd::Emphasis | TagEnd::Strong | TagEnd::Strikethrough => {
                self.close_span();
            }
            TagEnd::BlockQuote(_) => self.quotes = self.quotes.saturating_sub(1),
            TagEnd::CodeBlock => {
                self.in_code = false;
                if !self.text.ends_with('\n') {
                    self.text.push('\n');
                }
                self.text.push_str("```\n");
            }
            TagEnd::List(_) => {
                self.lists.pop();
            }
            TagEnd::Link => self.close_link(),
            TagEnd::Image => self.in_image = false,
            TagEnd::TableHead => {
                self.table.columns = std::mem::take(&mut self.table.cells);
                self.table.in_head = false;
            }
            TagEnd::TableRow => self.row(),
            TagEnd::TableCell => {
                let cell = self.text.split_off(self.table.cell_start.min(self.text.len()));
                self.table.cells.push(cell.trim().to_owned());
            }
            _ => {}
        }
    }

    /// Text in which marks are letters.
    fn literal(&mut self, text: &str) {
        let links = links(text);
        for (at, symbol) in text.char_indices() {
            let before = text.get(..at).and_then(|before| before.chars().next_back());
            let before = before.or_else(|| self.text.chars().next_back());
            let after = text.get(at + symbol.len_utf8()..).and_then(|after| after.chars().next());
            let is_mark = matches!(symbol, '*' | '_' | '~' | '`');
            let within = |side: Option<char>| side.is_some_and(char::is_alphanumeric);
            // Within a word an underscore formats nothing, and a name is to be copied.
            let is_harmless = symbol == '_' && within(before) && within(after);
            if !is_mark || is_harmless || links.iter().any(|link| link.contains(&at)) {
                self.text.push(symbol);
                continue;
            }
            if before.is_some_and(|before| !before.is_whitespace()) {
                self.text.push(GUARD);
            }
            self.text.push(symbol);
            self.text.push(GUARD);
        }
    }

    fn code(&mut self, code: &str) {
        if code.contains('`') || code.trim() != code || code.is_empty() {
            self.literal(code);
        } else {
            self.text.push('`');
            self.text.push_str(code);
            self.text.push('`');
        }
    }

    /// Marks what was written since the span began: within one line, at words' edges.
    fn close_span(&mut self) {
        let Some((mark, start)) = self.spans.pop() else { return };
        let inner = self.text.get(start..).unwrap_or_default().trim().to_owned();
        let is_nested = self.spans.iter().any(|(outer, _)| *outer == mark);
        let before = self.text.get(..start).and_then(|before| before.chars().next_back());
        let fits = !inner.is_empty()
            && !inner.contains('\n')
            && !inner.contains(mark)
            && !is_nested
            && !before.is_some_and(char::is_alphanumeric)
            && inner.chars().count() <= LONGEST_SPAN;
        if fits {
            let lead = self.text.get(start..).map_or(0, |raw| raw.len() - raw.trim_start().len());
            self.text.truncate(start + lead);
            self.text.push(mark);
            self.text.push_str(&inner);
            self.text.push(mark);
        }
    }

    /// `text: target`, or what of the two says something.
    fn close_link(&mut self) {
        let Some((target, start)) = self.targets.pop() else { return };
        let shown = self.text.get(start..).unwrap_or_default().trim().to_owned();
        let is_address = target.starts_with("https://") || target.starts_with("http://");
        // A target within the article's own folder leads nowhere from a telephone.
        if !is_address || shown.replace(GUARD, "") == target {
            return;
        }
        self.text.truncate(start);
        match shown.is_empty() {
            true => self.text.push_str(&target),
            false => self.text.push_str(&format!("{shown}: {target}")),
        }
    }

    fn row(&mut self) {
        let cells = std::mem::take(&mut self.table.cells);
        for (at, cell) in cells.iter().enumerate().filter(|(_, cell)| !cell.is_empty()) {
            self.line();
            match self.table.columns.get(at).filter(|column| !column.is_empty()) {
                Some(column) => self.text.push_str(&format!("- {column}: {cell}")),
                None => self.text.push_str(&format!("- {cell}")),
            }
        }
    }

    fn item(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with('\n') {
            self.line();
        }
        self.text.push_str(&"   ".repeat(self.lists.len().saturating_sub(1)));
        match self.lists.last_mut() {
            Some(Some(number)) => {
                self.text.push_str(&format!("{number}. "));
                *number += 1;
            }
            _ => self.text.push_str("- "),
        }
    }

    /// A new line within what is being written.
    fn line(&mut self) {
        if self.in_image {
            return;
        }
        self.text.push('\n');
        self.text.push_str(&"> ".repeat(self.quotes.min(1)));
    }

    /// A new paragraph.
    fn block(&mut self) {
        if !self.text.is_empty() {
            self.text.push_str("\n\n");
        }
        self.text.push_str(&"> ".repeat(self.quotes.min(1)));
    }
}

/// Keeps a mark from formatting; nobody sees it.
const GUARD: char = '\u{200B}';

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::breaks::spans;

    #[test]
    fn markdown_becomes_what_whatsapp_shows() {
        let cases = [
            ("**bold** and __bold__", "*bold* and *bold*"),
            ("*it* and _it_", "_it_ and _it_"),
            ("***both***", "_*both*_"),
            ("~~gone~~", "~gone~"),
            ("## Export a board", "*Export a board*"),
            ("# With **bold** inside", "*With bold inside*"),
            ("[the form](https://a.example/f)", "the form: https://a.example/f"),
            ("<https://a.example/f_o_o>", "https://a.example/f_o_o"),
            ("[limits](limits.md)", "limits"),
            ("![a chart](chart.png)", "a chart"),
            ("one\n\n---\n\ntwo", "one\n\ntwo"),
            ("```rust\nlet a_b = 1 * 2;\n```", "```\nlet a_b = 1 * 2;\n```"),
            ("press `Ctrl_C`", "press `Ctrl_C`"),
            ("a <b>bold</b><br>line", "a bold\nline"),
            ("3. three\n4. four", "3. three\n4. four"),
            ("* a\n* b\n  - c", "- a\n- b\n   - c"),
            ("> said\n> so", "> said\n> so"),
            (
                "| plan | price |\n|-|-|\n| Free | 0 |\n| Pro | 9 |",
                "- plan: Free\n- price: 0\n- plan: Pro\n- price: 9",
            ),
            ("snake_case stays", "snake_case stays"),
            (r"2\*3\*4", "2\u{200B}*\u{200B}3\u{200B}*\u{200B}4"),
            (r"\*.csv and \_x\_", "*\u{200B}.csv and _\u{200B}x\u{200B}_\u{200B}"),
            ("", ""),
        ];
        for (markdown, expected) in cases {
            assert_eq!(markup(markdown), expected, "{markdown}");
        }
    }

    #[test]
    fn letters_that_look_like_marks_format_nothing() {
        for text in [r"2\*3\*4", r"\*a\*", r"\_a\_", r"\~a\~", "a_b_c", "* * *", r"5 \* 3 \* 2"] {
            let shown = markup(text);
            assert!(shown.lines().all(|line| spans(line).is_empty()), "{shown}");
        }
    }

    #[test]
    fn a_span_over_lines_or_over_long_loses_its_marks_and_no_word() {
        let long = "word ".repeat(60);

        assert_eq!(markup("**one\ntwo**"), "one\ntwo");
        assert_eq!(markup(&format!("**{}**", long.trim())), long.trim());
    }

    proptest! {
        #[test]
        fn any_text_keeps_its_words_and_marks_stay_balanced(text in "[a-z *_~`#>\\-\\[\\]()|<\n.]{0,200}") {
            let shown = markup(&text);

            prop_assert_eq!(shown.trim(), &shown);
            for line in shown.lines().filter(|line| !line.starts_with("```")) {
                for span in spans(line) {
                    let span = &line[span];
                    let inner = span[1..span.len() - 1].trim();
                    prop_assert!(!inner.is_empty());
                }
            }
        }
    }
}
