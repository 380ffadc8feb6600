//! Articles as files, chunks with versions, and the search over them.

use std::path::Path;

use agent::knowledge::{LoadReport, gaps, load_dir, search};
use agent::policy::{Inputs, Scores};
use sqlx::PgPool;

use crate::support::{
    ARTICLE, builtin, embedder, hand_offs, handle, numbered_conversation, policy, replies,
};

fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).unwrap();
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_second_load_changes_only_what_was_edited(pool: PgPool) {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "export-data.md", ARTICLE);
    write(folder.path(), "labels.md", "# Labels\n\nA label has a color.\n");

    let first = load_dir(&pool, embedder(), folder.path()).await.unwrap();
    let same = load_dir(&pool, embedder(), folder.path()).await.unwrap();
    write(folder.path(), "export-data.md", &ARTICLE.replace("ZIP", "TAR"));
    std::fs::remove_file(folder.path().join("labels.md")).unwrap();
    let edited = load_dir(&pool, embedder(), folder.path()).await.unwrap();

    let report = |articles, chunks, added, changed, removed, unchanged, embedded| LoadReport {
        articles,
        chunks,
        added,
        changed,
        removed,
        unchanged,
        embedded,
    };
    assert_eq!(first, report(2, 4, 4, 0, 0, 0, 4));
    assert_eq!(same, report(2, 4, 0, 0, 0, 4, 0));
    assert_eq!(edited, report(1, 3, 0, 1, 1, 2, 1));
    let found = search(&pool, &policy(), embedder(), "attachments in a TAR file", 3).await.unwrap();
    assert_eq!(
        (found[0].chunk_id.as_str(), found[0].version),
        ("export-data#export-attachments", 2)
    );
    let gone = search(&pool, &policy(), embedder(), "label color", 9).await.unwrap();
    assert!(gone.iter().all(|found| found.article != "labels"), "{gone:?}");
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_folder_with_a_broken_article_changes_nothing_and_names_it(pool: PgPool) {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a.md", ARTICLE);
    write(folder.path(), "b.md", "no title");

    let error = load_dir(&pool, embedder(), folder.path()).await.unwrap_err().to_string();

    assert!(error.contains("b.md") && error.contains("title"), "{error}");
    let chunks: i64 =
        sqlx::query_scalar("select count(*) from knowledge_base").fetch_one(&pool).await.unwrap();
    assert_eq!(chunks, 0);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn words_count_by_their_share_of_the_question_and_ties_go_by_id(pool: PgPool) {
    let folder = tempfile::tempdir().unwrap();
    for name in ["b", "a"] {
        write(
            folder.path(),
            &format!("{name}.md"),
            "# Calendar feed\n\nThe feed lists due dates.\n",
        );
    }
    write(folder.path(), "c.md", ARTICLE);
    load_dir(&pool, embedder(), folder.path()).await.unwrap();

    let all = search(&pool, &policy(), embedder(), "calendar feed", 5).await.unwrap();
    let half =
        search(&pool, &policy(), embedder(), "calendar feed zeppelin submarine", 5).await.unwrap();
    let none = search(&pool, &policy(), embedder(), "zeppelin", 5).await.unwrap();

    let ids: Vec<_> = all.iter().map(|found| found.chunk_id.as_str()).collect();
    assert_eq!(ids[..2], ["a#intro", "b#intro"]);
    assert!(all[0].by_words > 0.6 && all[0].by_words <= 1.0, "{}", all[0].by_words);
    assert!(half[0].by_words < all[0].by_words && half[0].relevance < all[0].relevance);
    assert!(none.iter().all(|found| found.by_words == 0.0 && found.relevance < 0.3), "{none:?}");
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_new_article_is_cited_after_its_load_and_a_removed_one_hands_over(pool: PgPool) {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "export-data.md", ARTICLE);
    load_dir(&pool, embedder(), folder.path()).await.unwrap();
    let (agent, publisher) = builtin(&pool);
    let ask = async |number: u32| {
        let question = "Is it possible to print stickers for our cards?";
        let id = numbered_conversation(&pool, number, "", question).await;
        handle(&agent, id, 1).await;
        let text = replies(&publisher).pop().unwrap().parts.join("\n");
        let handed_over = hand_offs(&publisher).len();
        publisher.take();
        (text, handed_over)
    };

    let before = ask(1).await;
    write(
        folder.path(),
        "labels.md",
        "# Print labels\n\n## How to print card labels\n\n1. Choose **Print** on the card.\n",
    );
    load_dir(&pool, embedder(), folder.path()).await.unwrap();
    let with_article = ask(2).await;
    std::fs::remove_file(folder.path().join("labels.md")).unwrap();
    load_dir(&pool, embedder(), folder.path()).await.unwrap();
    let after = ask(3).await;

    assert_eq!((before.1, with_article.1, after.1), (1, 0, 1));
    assert!(with_article.0.contains("labels#how-to-print-card-labels v1"), "{}", with_article.0);
    let gaps = gaps(&pool, embedder()).await.unwrap();
    let gap = &gaps[0];
    assert_eq!((gaps.len(), gap.count), (1, 2), "{gaps:?}");
    assert!(gap.question.contains("print stickers") && gap.relevance > 0.0, "{gap:?}");
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn the_articles_of_the_project_are_found_for_most_labelled_questions(pool: PgPool) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    load_dir(&pool, embedder(), &root.join("knowledge")).await.unwrap();
    let policy = policy();
    let (mut first, mut among_three, mut asked) = (0, 0, 0);
    for line in std::fs::read_to_string(root.join("evaluation/tuning.jsonl")).unwrap().lines() {
        let ticket: serde_json::Value = serde_json::from_str(line).unwrap();
        let text = |key: &str| ticket[key].as_str().unwrap_or_default();
        if text("article").is_empty() || ticket["escalate"] == true {
            continue;
        }
        let subject = Some(text("subject")).filter(|subject| !subject.is_empty());
        let bodies = [text("message")];
        let inputs = Inputs { subject, bodies: &bodies, ..Inputs::default() };
        let own_words = policy.read_again(&inputs, &Scores::default()).own_words;
        let found = search(&pool, &policy, embedder(), &own_words, 5).await.unwrap();
        let mut articles: Vec<String> = Vec::new();
        for chunk in found {
            if !articles.contains(&chunk.article) {
                articles.push(chunk.article);
            }
        }
        asked += 1;
        first += usize::from(articles[0] == text("article"));
        among_three += usize::from(articles[..3].iter().any(|slug| slug == text("article")));
    }

    // 84 and 99 of 100 when this was written.
    assert!(asked >= 80, "{asked} questions");
    assert!(first * 100 >= asked * 80, "{first} of {asked} at the first place");
    assert!(among_three * 100 >= asked * 95, "{among_three} of {asked} among three");
}
