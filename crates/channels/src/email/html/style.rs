//! Which text of a mail a reader's eye would not see.

use std::collections::BTreeSet;

use super::tokens::attribute;

type Colour = [u8; 3];

const WHITE: Colour = [255, 255, 255];

/// What an element passes on to the text inside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Look {
    hidden: bool,
    is_tiny: bool,
    colour: Option<Colour>,
    /// `None` for an image, or a colour that is not known.
    background: Option<Colour>,
}

/// Classes and ids that the mail's own style sheet hides.
#[derive(Debug, Default)]
pub(super) struct Sheet(BTreeSet<String>);

impl Look {
    pub(super) const PLAIN: Self =
        Self { hidden: false, is_tiny: false, colour: None, background: Some(WHITE) };

    pub(super) fn is_visible(&self) -> bool {
        let same = match (self.colour, self.background) {
            (Some(text), Some(paper)) => text.iter().zip(paper).all(|(a, b)| a.abs_diff(b) <= 8),
            _ => false,
        };
        !self.hidden && !self.is_tiny && !same
    }

    /// The look inside an element.
    pub(super) fn within(&self, attributes: &str, sheet: &Sheet) -> Self {
        let mut look = self.clone();
        if attributes.trim().is_empty() {
            return look;
        }
        look.hidden |= attribute(attributes, "hidden").is_some() || sheet.hides(attributes);
        if let Some(colour) = attribute(attributes, "color") {
            look.colour = colour_of(&colour).or(look.colour);
        }
        if let Some(background) = attribute(attributes, "bgcolor") {
            look.background = colour_of(&background);
        }
        if attribute(attributes, "background").is_some() {
            look.background = None;
        }
        if let Some(style) = attribute(attributes, "style") {
            look.apply(&style);
        }
        look
    }

    fn apply(&mut self, style: &str) {
        let style = style.to_lowercase().replace("!important", "");
        self.hidden |= hides(&style);
        for (name, value) in declarations(&style) {
            match name {
                "font-size" => self.is_tiny = length(value).is_some_and(is_nothing),
                "font" => {
                    let sizes = value.split([' ', '/']).find_map(length);
                    self.is_tiny = sizes.is_some_and(is_nothing);
                }
                "color" if value == "transparent" => self.hidden = true,
                "color" => self.colour = colour_of(value).or(self.colour),
                "background" | "background-color" | "background-image" => match colour_of(value) {
                    Some(colour) => self.background = Some(colour),
                    None if matches!(value, "none" | "transparent" | "inherit" | "initial") => {}
                    None => self.background = None,
                },
                _ => {}
            }
        }
    }
}

impl Sheet {
    /// Adds the rules of one `<style>`; those inside `@media` and the like hold at times only.
    pub(super) fn add(&mut self, css: &str) {
        /// More hidden names than any mail has.
        const MOST: usize = 2_000;
        let css = without_comments(css).to_lowercase();
        let mut rest = css.as_str();
        while let Some((selectors, after)) = rest.split_once('{') {
            if selectors.trim_start().starts_with('@') {
                rest = after_block(after);
                continue;
            }
            let (body, next) = after.split_once('}').unwrap_or((after, ""));
            let body = body.replace("!important", "");
            let is_tiny = declarations(&body)
                .any(|(name, value)| name == "font-size" && length(value).is_some_and(is_nothing));
            if hides(&body) || is_tiny {
                let simple = selectors.split(',').filter_map(simple_selector);
                self.0.extend(simple.take(MOST.saturating_sub(self.0.len())));
            }
            rest = next;
        }
    }

    fn hides(&self, attributes: &str) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let classes = attribute(attributes, "class").unwrap_or_default().to_lowercase();
        let id = attribute(attributes, "id").unwrap_or_default().to_lowercase();
        classes.split_whitespace().any(|class| self.0.contains(&format!(".{class}")))
            || self.0.contains(&format!("#{}", id.trim()))
    }
}

/// `.name` or `#name`, perhaps behind an element's name.
fn simple_selector(selector: &str) -> Option<String> {
    let selector = selector.trim();
    let at = selector.find(['.', '#'])?;
    let (element, name) = selector.split_at_checked(at)?;
    let is_name = |text: &str| {
        text.chars().all(|symbol| symbol.is_alphanumeric() || matches!(symbol, '-' | '_'))
    };
    (is_name(element) && is_name(name.get(1..)?) && name.len() > 1).then(|| name.to_owned())
}

/// What follows the `}` that closes a block with blocks inside.
fn after_block(css: &str) -> &str {
    let mut depth = 1_usize;
    for (at, byte) in css.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return css.get(at + 1..).unwrap_or_default();
        }
    }
    ""
}

fn without_comments(css: &str) -> String {
    let mut out = String::with_capacity(css.len());
    let mut rest = css;
    while let Some((before, comment)) = rest.split_once("/*") {
        out.push_str(before);
        rest = comment.split_once("*/").map_or("", |(_, after)| after);
    }
    out + &rest.replace("<!--", "").replace("-->", "")
}

fn declarations(style: &str) -> impl Iterator<Item = (&str, &str)> {
    style
        .split(';')
        .filter_map(|one| one.split_once(':'))
        .map(|(name, value)| (name.trim(), value.trim()))
}

/// Whether these declarations take an element away for good.
fn hides(style: &str) -> bool {
    let value = |wanted: &str| {
        declarations(style).filter(move |(name, _)| *name == wanted).map(|(_, value)| value).last()
    };
    let size = |name: &str| value(name).and_then(length);
    let no_overflow = value("overflow").is_some_and(|value| value.starts_with("hidden"));
    let far = |name: &str| value(name).and_then(number).is_some_and(|(number, _)| number <= -500.0);
    value("display") == Some("none")
        || matches!(value("visibility"), Some("hidden" | "collapse"))
        || value("mso-hide") == Some("all")
        || value("opacity").and_then(number).is_some_and(|(number, _)| number < 0.05)
        || size("max-height").is_some_and(is_nothing)
        || no_overflow
            && ["height", "width", "max-width"].into_iter().filter_map(size).any(is_nothing)
        || ["text-indent", "left", "top", "margin-left", "margin-top"].into_iter().any(far)
        || value("clip").is_some_and(|clip| clip.replace(' ', "").starts_with("rect(0"))
        || value("transform").is_some_and(|transform| transform.starts_with("scale(0)"))
}

/// A length in pixels, near enough.
fn length(value: &str) -> Option<f32> {
    let (number, unit) = number(value)?;
    Some(match unit {
        "em" | "rem" => number * 16.0,
        "%" => number * 0.16,
        "" if number != 0.0 => return None,
        _ => number,
    })
}

fn is_nothing(pixels: f32) -> bool {
    (0.0..=1.0).contains(&pixels)
}

fn number(value: &str) -> Option<(f32, &str)> {
    let end =
        value.find(|symbol: char| !symbol.is_ascii_digit() && !matches!(symbol, '.' | '-' | '+'));
    let (number, unit) = value.split_at_checked(end.unwrap_or(value.len()))?;
    Some((number.parse().ok()?, unit.trim()))
}

/// A colour by name or by numbers, wherever it stands in the value.
fn colour_of(value: &str) -> Option<Colour> {
    let value = value.trim().to_lowercase();
    if let Some(numbers) = value.split_once("rgb").map(|(_, rest)| rest) {
        let numbers = numbers.trim_start_matches('a').trim_start_matches('(');
        let mut parts = numbers.split([',', ' ', ')', '/']).filter(|part| !part.is_empty());
        let mut next =
            || parts.next()?.trim().parse::<f32>().ok().map(|part| part.clamp(0.0, 255.0) as u8);
        return Some([next()?, next()?, next()?]);
    }
    value.split_whitespace().find_map(|word| match word {
        "white" | "snow" | "ghostwhite" | "floralwhite" => Some(WHITE),
        "black" => Some([0, 0, 0]),
        _ => hexadecimal(word.strip_prefix('#').unwrap_or(word)),
    })
}

fn hexadecimal(digits: &str) -> Option<Colour> {
    let digit =
        |at: usize| digits.as_bytes().get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let pair = |high: usize, low: usize| u8::try_from(digit(high)? * 16 + digit(low)?).ok();
    match digits.len() {
        3 => Some([pair(0, 0)?, pair(1, 1)?, pair(2, 2)?]),
        6 | 8 => Some([pair(0, 1)?, pair(2, 3)?, pair(4, 5)?]),
        _ => None,
    }
}
