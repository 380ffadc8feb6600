//! Articles as files, chunks with versions, and the search over them.

use std::path::Path;

use agent::knowledge::{LoadReport, load_dir, search};
use sqlx::PgPool;

use crate::support::{ARTICLE, policy};

fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).unwrap();
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_second_load_changes_only_what_was_edited(pool: PgPool) {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "export-data.md", ARTICLE);
    write(folder.path(), "labels.md", "# Labels\n\nA label has a color.\n");

    let first = load_dir(&pool, folder.path()).await.unwrap();
    let same = load_dir(&pool, folder.path()).await.unwrap();
    write(folder.path(), "export-data.md", &ARTICLE.replace("ZIP", "TAR"));
    std::fs::remove_file(folder.path().join("labels.md")).unwrap();
    let edited = load_dir(&pool, folder.path()).await.unwrap();

    let report = |articles, chunks, added, changed, removed, unchanged| LoadReport {
        articles,
        chunks,
        added,
        changed,
        removed,
        unchanged,
    };
    assert_eq!(first, report(2, 4, 4, 0, 0, 0));
    assert_eq!(same, report(2, 4, 0, 0, 0, 4));
    assert_eq!(edited, report(1, 3, 0, 1, 1, 2));
    let found = search(&pool, &policy(), "attachments in a TAR file", 3).await.unwrap();
    assert_eq!(
        (found[0].chunk_id.as_str(), found[0].version),
        ("export-data#export-attachments", 2)
    );
    assert!(search(&pool, &policy(), "label color", 3).await.unwrap().is_empty());
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_folder_with_a_broken_article_changes_nothing_and_names_it(pool: PgPool) {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a.md", ARTICLE);
    write(folder.path(), "b.md", "no title");

    let error = load_dir(&pool, folder.path()).await.unwrap_err().to_string();

    assert!(error.contains("b.md") && error.contains("title"), "{error}");
    let chunks: i64 =
        sqlx::query_scalar("select count(*) from knowledge_base").fetch_one(&pool).await.unwrap();
    assert_eq!(chunks, 0);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn relevance_is_the_share_of_the_question_and_ties_go_by_id(pool: PgPool) {
    let folder = tempfile::tempdir().unwrap();
    for name in ["b", "a"] {
        write(
            folder.path(),
            &format!("{name}.md"),
            "# Calendar feed\n\nThe feed lists due dates.\n",
        );
    }
    write(folder.path(), "c.md", ARTICLE);
    load_dir(&pool, folder.path()).await.unwrap();

    let all = search(&pool, &policy(), "calendar feed", 5).await.unwrap();
    let half = search(&pool, &policy(), "calendar feed zeppelin submarine", 5).await.unwrap();
    let none = search(&pool, &policy(), "zeppelin", 5).await.unwrap();

    let ids: Vec<_> = all.iter().map(|found| found.chunk_id.as_str()).collect();
    assert_eq!(ids, ["a#intro", "b#intro"]);
    assert!(all[0].relevance > 0.6 && all[0].relevance <= 1.0, "{}", all[0].relevance);
    assert!(half[0].relevance < all[0].relevance);
    assert!(none.is_empty());
}
