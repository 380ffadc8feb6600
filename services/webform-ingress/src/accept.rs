//! Who asks: a browser that wants a page, or a client that wants JSON.

use axum::http::HeaderMap;
use axum::http::header::ACCEPT;

/// Whether HTML is asked for by name and before JSON. Without a word about it
/// the answer is JSON.
pub(crate) fn prefers_html(headers: &HeaderMap) -> bool {
    let (mut html, mut json, mut other) = (0, None, 0);
    let lines = headers.get_all(ACCEPT).iter().filter_map(|line| line.to_str().ok());
    for range in lines.flat_map(|line| line.split(',')) {
        let (kind, parameters) = range.split_once(';').unwrap_or((range, ""));
        let weight = weight(parameters);
        match kind.trim() {
            kind if kind.eq_ignore_ascii_case("text/html") => html = weight,
            kind if kind.eq_ignore_ascii_case("application/json") => json = Some(weight),
            "*/*" | "application/*" => other = weight.max(other),
            _ => {}
        }
    }
    html > json.unwrap_or(other)
}

/// The `q` of a media range in thousandths.
fn weight(parameters: &str) -> u32 {
    let given = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("q").then(|| value.trim())
    });
    match given.map(str::parse::<f32>) {
        None => 1000,
        Some(Ok(q)) => (q.clamp(0.0, 1.0) * 1000.0) as u32,
        Some(Err(_)) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn html(accept: &str) -> bool {
        prefers_html(&HeaderMap::from_iter([(ACCEPT, accept.parse().unwrap())]))
    }

    #[test]
    fn browsers_get_pages() {
        assert!(html("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"));
        assert!(html("text/html"));
        assert!(html("application/json;q=0.5, TEXT/HTML;q=0.6"));
    }

    #[test]
    fn everybody_else_gets_json() {
        for accept in [
            "*/*",
            "application/json",
            "application/json, text/html",
            "application/json, text/html;q=0.9",
            "text/html;q=0",
            "text/html;q=0.5, */*",
            "",
            "text/plain",
        ] {
            assert!(!html(accept), "{accept}");
        }
        assert!(!prefers_html(&HeaderMap::new()));
    }
}
