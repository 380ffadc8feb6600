//! Articles as they stand in files, cut into chunks. Pure.

use std::collections::HashMap;

use sha2::{Digest as _, Sha256};
use store::knowledge::Chunk;

use crate::policy::sentences;

/// A comment with other ways to ask for the section that it stands in.
const ASKED_AS: &str = "<!-- asked as:";

/// Cuts an article at its second-level headings. Ids come from names, not places, so
/// that a new section changes no other's id.
pub(crate) fn chunks_of(slug: &str, text: &str) -> Result<Vec<Chunk>, &'static str> {
    let mut lines = text.trim_start_matches('\u{feff}').lines();
    let title = lines.next().and_then(|line| line.strip_prefix("# ")).map(str::trim);
    let title = title.filter(|title| !title.is_empty()).ok_or("does not begin with a title")?;
    let mut sections: Vec<(String, Vec<&str>)> = vec![(String::new(), Vec::new())];
    for line in lines {
        match line.strip_prefix("## ") {
            Some(heading) => sections.push((heading.trim().to_owned(), Vec::new())),
            None => sections.last_mut().ok_or("is empty")?.1.push(line),
        }
    }
    let mut names: HashMap<String, usize> = HashMap::new();
    let mut chunks = Vec::new();
    for (heading, lines) in sections {
        let (body, asked_as) = body_of(&lines);
        if body.is_empty() {
            continue;
        }
        let name = if heading.is_empty() { "intro".to_owned() } else { slug_of(&heading) };
        let seen = names.entry(name.clone()).or_insert(0);
        *seen += 1;
        let suffix = if *seen > 1 { format!("-{seen}") } else { String::new() };
        chunks.push(Chunk {
            chunk_id: format!("{slug}#{name}{suffix}"),
            article: slug.to_owned(),
            title: title.to_owned(),
            content_hash: hash(title, &heading, &body, &asked_as),
            heading,
            body,
            asked_as,
        });
    }
    if chunks.is_empty() { Err("has no text") } else { Ok(chunks) }
}

fn slug_of(heading: &str) -> String {
    let words = sentences(heading).into_iter().flat_map(|sentence| sentence.tokens);
    words.map(|token| token.text).collect::<Vec<_>>().join("-")
}

/// The text of a section, and the other ways to ask for it: a comment of one line,
/// invisible where the article is shown.
fn body_of(lines: &[&str]) -> (String, Vec<String>) {
    let (mut text, mut asked_as) = (Vec::new(), Vec::new());
    for line in lines {
        match line.trim().strip_prefix(ASKED_AS).and_then(|rest| rest.strip_suffix("-->")) {
            Some(phrases) => asked_as.extend(phrases.split('|').map(str::trim).map(str::to_owned)),
            None => text.push(*line),
        }
    }
    asked_as.retain(|phrase| !phrase.is_empty());
    (text.join("\n").trim().to_owned(), asked_as)
}

fn hash(title: &str, heading: &str, body: &str, asked_as: &[String]) -> Vec<u8> {
    let mut hash = Sha256::new();
    let parts = [title, heading, body].into_iter().chain(asked_as.iter().map(String::as_str));
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARTICLE: &str = "# Export a board\n\nYou can export.\n\n## As CSV\n1. Open it.\n\n## As CSV\nAgain.\n## Empty\n";

    #[test]
    fn an_article_is_cut_at_its_headings_with_ids_from_names() {
        let chunks = chunks_of("export", ARTICLE).unwrap();
        let ids: Vec<_> = chunks.iter().map(|chunk| chunk.chunk_id.as_str()).collect();

        assert_eq!(ids, ["export#intro", "export#as-csv", "export#as-csv-2"]);
        assert_eq!(chunks[1].body, "1. Open it.");
        assert_eq!(chunks[1].title, "Export a board");
    }

    #[test]
    fn an_article_without_title_or_text_is_refused() {
        assert!(chunks_of("a", "No title\n").is_err());
        assert!(chunks_of("a", "# Title\n\n## Heading\n").is_err());
    }

    #[test]
    fn other_ways_to_ask_are_found_by_and_not_shown() {
        let article = "# Export\n<!-- asked as: get my data out | backup -->\n\nYou can.\n";

        let chunks = chunks_of("export", article).unwrap();

        assert_eq!(chunks[0].asked_as, ["get my data out", "backup"]);
        assert_eq!(chunks[0].body, "You can.");
        let without = chunks_of("export", "# Export\n\nYou can.\n").unwrap();
        assert_ne!(chunks[0].content_hash, without[0].content_hash);
    }
}
