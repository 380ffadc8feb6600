//! `fte customers` on a database, as an operator calls it.

use std::process::Output;

use sqlx::PgPool;

use crate::product::{fte, to_end};

const FILE: &str = "\
plan,E-Mail,Name,Phone,CRM id
pro,Sam@Example.ORG; sam@work.example,Sam Doe,+52 1 55 1234 5678,7
free,lee@example.org,\"Lee,
of two lines\",(415) 555-2671,8
gold,pat@example.org,Pat,,9
,,Nobody,,10
enterprise,ana@example.org,Ana,+5511 8765-4321,11
pro,ANA@example.org,Ana again,,12
,short
";

/// Runs `fte customers` with these words on this database.
async fn customers(pool: &PgPool, words: &[&str]) -> Output {
    let database: String =
        sqlx::query_scalar("select current_database()").fetch_one(pool).await.unwrap();
    let server = std::env::var("DATABASE_URL").unwrap();
    let url = format!("{}/{database}", server.rsplit_once('/').unwrap().0);
    let mut command = fte(&[&["customers"], words].concat());
    command.env("DATABASE_URL", url);
    to_end(command).await
}

fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

fn written(text: &[u8]) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

async fn texts(pool: &PgPool, query: &'static str) -> Vec<String> {
    sqlx::query_scalar(query).fetch_all(pool).await.unwrap()
}

const CUSTOMERS: &str =
    "select name || ' ' || coalesce(plan, '-') from customers where merged_into is null order by 1";
const IDENTIFIERS: &str = "select value from customer_identifiers order by 1";

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_file_is_loaded_but_for_the_lines_that_cannot_be_read(pool: PgPool) {
    let file = written(FILE.as_bytes());
    let path = file.path().to_str().unwrap();
    let words = ["import", path, "--default-country", "US"];

    let dry = customers(&pool, &[&words[..], &["--dry-run"]].concat()).await;
    assert_eq!(texts(&pool, CUSTOMERS).await, [""; 0]);
    let first = customers(&pool, &words).await;
    let again = customers(&pool, &words).await;

    let report = "\
line 5: the plan is none of free, pro, enterprise
line 6: it has neither e-mail address nor phone number
line 8: line 7 has one of its addresses already
line 9: it has 2 cells, the first line has 5
columns not read: CRM id
";
    let counts =
        |added, unchanged| format!("{added} added, 0 changed, {unchanged} unchanged, 4 not read\n");
    assert_eq!(said(&dry), format!("{report}dry run: {}", counts(3, 0)));
    assert_eq!(said(&first), format!("{report}{}", counts(3, 0)));
    assert_eq!(said(&again), format!("{report}{}", counts(0, 3)));
    assert_eq!((first.status.code(), again.status.code()), (Some(1), Some(1)));
    assert_eq!(
        texts(&pool, CUSTOMERS).await,
        ["Ana enterprise", "Lee, of two lines free", "Sam Doe pro"]
    );
    assert_eq!(
        texts(&pool, IDENTIFIERS).await,
        [
            "+14155552671",
            "+525512345678",
            "+5511987654321",
            "ana@example.org",
            "lee@example.org",
            "sam@example.org",
            "sam@work.example"
        ]
    );
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_large_file_of_a_spreadsheet_is_loaded_in_batches(pool: PgPool) {
    let mut text = b"\xEF\xBB\xBFemail,plan\r\n".to_vec();
    for n in 0..1_201 {
        text.extend(format!("p{n}@example.org,pro\r\n").into_bytes());
    }
    text.extend(b"caf\xE9@example.org,pro\r\n");
    let file = written(&text);

    let output = customers(&pool, &["import", file.path().to_str().unwrap()]).await;

    let expected = "line 1203: it is not UTF-8\n1201 added, 0 changed, 0 unchanged, 1 not read\n";
    assert_eq!(said(&output), expected);
    assert_eq!(texts(&pool, IDENTIFIERS).await.len(), 1_201);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn what_is_no_list_of_customers_is_refused_whole(pool: PgPool) {
    for (text, reason) in [
        ("name,plan\nSam,pro\n", "the first line names no column `email` or `phone`"),
        ("email,mail\na@example.org,b@example.org\n", "the first line names two columns"),
        ("", "the first line names no column"),
    ] {
        let file = written(text.as_bytes());
        let output = customers(&pool, &["import", file.path().to_str().unwrap()]).await;
        assert_eq!(output.status.code(), Some(1));
        assert!(said(&output).contains(reason), "{}", said(&output));
    }
    let wrong = customers(&pool, &["import", "x.csv", "--default-country", "Mars"]).await;
    assert_eq!(wrong.status.code(), Some(64), "{}", said(&wrong));
    assert_eq!(texts(&pool, CUSTOMERS).await, [""; 0]);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn customers_are_merged_shown_and_parted_by_their_addresses(pool: PgPool) {
    let file = written(b"name,email,phone,plan\nSam,sam@example.org,,\nS.,,+14155550123,pro\n");
    let imported = customers(&pool, &["import", file.path().to_str().unwrap()]).await;
    assert!(imported.status.success(), "{}", said(&imported));
    let pair = ["merge", "SAM@example.org", "+1 415 555 0123"];

    let dry = customers(&pool, &[&pair[..], &["--dry-run"]].concat()).await;
    let merged = customers(&pool, &[&pair[..], &["--operator", "lisa"]].concat()).await;
    assert!(said(&dry).starts_with("would be merged: "), "{}", said(&dry));
    assert!(merged.status.success(), "{}", said(&merged));
    let told = said(&merged);
    let merge = told.trim_end().rsplit_once(' ').unwrap().1;
    let again = customers(&pool, &pair).await;
    assert!(said(&again).contains("both are one customer already"), "{}", said(&again));
    let shown = customers(&pool, &["show", "+14155550123"]).await;
    let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!((&shown["name"], &shown["plan"]), (&"Sam".into(), &"pro".into()));
    assert_eq!(shown["identifiers"].as_array().unwrap().len(), 2);
    assert_eq!(
        (&shown["merges"][0]["id"], &shown["merges"][0]["by"]),
        (&merge.into(), &"lisa".into())
    );

    let parted = customers(&pool, &["unmerge", merge]).await;
    assert!(parted.status.success(), "{}", said(&parted));
    assert_eq!(texts(&pool, CUSTOMERS).await, ["S. pro", "Sam -"]);
    let unknown = customers(&pool, &["show", "nobody@example.org"]).await;
    assert_eq!(unknown.status.code(), Some(1));
}
