//! The list of messages: filters and paging, newest first.

use axum::http::StatusCode;
use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Value, json};

use super::Message;
use super::create::Refusal;

const DEFAULT_PAGE: usize = 50;

/// The parameters of the list.
pub(super) struct Query<'a>(pub(super) &'a [(String, String)]);

impl Query<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(candidate, _)| candidate == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    fn number(&self, name: &str, default: usize) -> Result<usize, Refusal> {
        match self.get(name) {
            None => Ok(default),
            Some(text) => text
                .parse()
                .map_err(|_| (StatusCode::BAD_REQUEST, 20_001, "a page parameter is not a number")),
        }
    }

    /// One page of what is held.
    pub(super) fn page(
        &self,
        path: &str,
        messages: &[Message],
        largest_page: usize,
    ) -> Result<Value, Refusal> {
        let size = self.number("PageSize", DEFAULT_PAGE)?.clamp(1, largest_page);
        let page = self.number("Page", 0)?;
        let mut found = Vec::new();
        for message in messages.iter().rev() {
            if self.matches(message)? {
                found.push(message);
            }
        }
        let start = page.saturating_mul(size);
        let shown: Vec<Value> =
            found.iter().skip(start).take(size).map(|message| message.to_json()).collect();
        let has_next = found.len() > start + shown.len();
        let last = found.iter().take(start + shown.len()).next_back();
        Ok(json!({
            "end": (start + shown.len()).saturating_sub(1),
            "first_page_uri": self.uri(path, size, 0, None),
            "next_page_uri": has_next
                .then(|| self.uri(path, size, page + 1, last.map(|m| m.sid.as_str()))),
            "page": page,
            "page_size": size,
            "previous_page_uri": (page > 0).then(|| self.uri(path, size, page - 1, None)),
            "start": start,
            "uri": self.uri(path, size, page, None),
            "messages": shown,
        }))
    }

    fn matches(&self, message: &Message) -> Result<bool, Refusal> {
        let is = |name: &str, value: &str| self.get(name).is_none_or(|wanted| wanted == value);
        Ok(is("To", &message.to)
            && is("From", &message.from)
            && self.compare("DateSent", message, |sent, wanted, is_day| {
                if is_day { sent.date_naive() == wanted.date_naive() } else { sent == wanted }
            })?
            && self.compare("DateSent<", message, |sent, wanted, is_day| {
                if is_day { sent.date_naive() <= wanted.date_naive() } else { sent <= wanted }
            })?
            && self.compare("DateSent>", message, |sent, wanted, _| sent >= wanted)?)
    }

    /// A queued message has no date, and no filter by date finds it.
    fn compare(
        &self,
        name: &str,
        message: &Message,
        holds: impl Fn(DateTime<Utc>, DateTime<Utc>, bool) -> bool,
    ) -> Result<bool, Refusal> {
        let Some(text) = self.get(name) else { return Ok(true) };
        let (wanted, is_day) =
            date(text).ok_or((StatusCode::BAD_REQUEST, 20_001, "a date is not valid"))?;
        Ok(message.sent_at.is_some_and(|sent| holds(sent, wanted, is_day)))
    }

    fn uri(&self, path: &str, size: usize, page: usize, token: Option<&str>) -> String {
        let mut url = reqwest::Url::parse("http://twilio.invalid")
            .and_then(|base| base.join(path))
            .map_or_else(|_| path.to_owned(), |url| url.path().to_owned());
        let mut pairs = vec![("PageSize".to_owned(), size.to_string())];
        pairs.push(("Page".to_owned(), page.to_string()));
        pairs.extend(token.map(|token| ("PageToken".to_owned(), format!("PA{token}"))));
        let filters = ["To", "From", "DateSent", "DateSent<", "DateSent>"];
        pairs.extend(self.0.iter().filter(|(name, _)| filters.contains(&name.as_str())).cloned());
        if let Ok(mut full) = reqwest::Url::parse("http://twilio.invalid/") {
            full.query_pairs_mut().extend_pairs(pairs);
            url = format!("{url}?{}", full.query().unwrap_or_default());
        }
        url
    }
}

/// A day or a moment, and whether it was a day.
fn date(text: &str) -> Option<(DateTime<Utc>, bool)> {
    if let Ok(day) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return Some((day.and_time(chrono::NaiveTime::MIN).and_utc(), true));
    }
    let moment = DateTime::parse_from_rfc3339(text).ok()?;
    Some((moment.to_utc(), false))
}
