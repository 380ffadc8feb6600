//! The company's records on their way into the tables.

use contract::{CustomerId, Plan};
use sqlx::PgPool;
use store::customer_records::{Entry, Load, Outcome};
use store::merges::{self, Mode};
use uuid::Uuid;

use crate::rows::{LISA, run};

fn entry(line: u64, name: &str, plan: Option<Plan>, identifiers: &[(&'static str, &str)]) -> Entry {
    let owned = identifiers.iter().map(|(kind, value)| (*kind, (*value).to_owned())).collect();
    let new_id = CustomerId::named(&format!("{}:{}", identifiers[0].0, identifiers[0].1));
    Entry { line, new_id, name: name.into(), plan, identifiers: owned }
}

fn sam(line: u64) -> Entry {
    let addresses = [("email", "sam@example.org"), ("phone", "+14155550123")];
    entry(line, "Sam Doe", Some(Plan::Pro), &addresses)
}

async fn load(pool: &PgPool, entries: &[Entry]) -> Vec<Outcome> {
    let mut outcomes = Load::new(pool, LISA, Mode::Write).batch(entries).await.unwrap();
    outcomes.sort_by_key(|(line, _)| *line);
    outcomes.into_iter().map(|(_, outcome)| outcome).collect()
}

async fn texts(pool: &PgPool, query: &'static str) -> Vec<String> {
    sqlx::query_scalar(query).fetch_all(pool).await.unwrap()
}

const CUSTOMERS: &str = "select name || ' ' || coalesce(plan, '-') from customers
    where merged_into is null order by 1";
const IDENTIFIERS: &str = "select value || ' ' || level || ' ' || on_record
    from customer_identifiers order by 1";

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_record_makes_a_customer_whom_nobody_has_proven_yet(pool: PgPool) {
    let first = load(&pool, &[sam(2)]).await;
    let again = load(&pool, &[sam(2)]).await;
    let changed = load(&pool, &[Entry { plan: Some(Plan::Enterprise), ..sam(2) }]).await;
    let silent = load(&pool, &[Entry { plan: None, name: String::new(), ..sam(2) }]).await;

    assert_eq!(first, [Outcome::Added]);
    assert_eq!(again, [Outcome::Unchanged]);
    assert_eq!(changed, [Outcome::Changed]);
    assert_eq!(silent, [Outcome::Unchanged]);
    assert_eq!(texts(&pool, CUSTOMERS).await, ["Sam Doe enterprise"]);
    assert_eq!(
        texts(&pool, IDENTIFIERS).await,
        ["+14155550123 self_asserted true", "sam@example.org self_asserted true"]
    );
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn who_wrote_before_keeps_their_conversations_and_what_they_have_proven(pool: PgPool) {
    run(
        &pool,
        "insert into customers (id, name) values ('00000000-0000-0000-0000-00000000000a', 'S.'),
             ('00000000-0000-0000-0000-00000000000b', 'sammy');
         insert into customer_identifiers (kind, value, customer_id, level) values
             ('email', 'sam@example.org', '00000000-0000-0000-0000-00000000000a', 'self_asserted'),
             ('phone', '+14155550123', '00000000-0000-0000-0000-00000000000b', 'authenticated')",
    )
    .await;

    let outcomes = load(&pool, &[sam(2)]).await;

    assert_eq!(outcomes, [Outcome::Changed]);
    assert_eq!(texts(&pool, CUSTOMERS).await, ["Sam Doe pro"]);
    assert_eq!(
        texts(&pool, IDENTIFIERS).await,
        ["+14155550123 authenticated true", "sam@example.org self_asserted true"]
    );
    // What was typed was taken in by a merge, which can be undone.
    let merge: Uuid =
        sqlx::query_scalar("select id from customer_merges").fetch_one(&pool).await.unwrap();
    merges::unmerge(&pool, merge.into(), LISA, Mode::Write).await.unwrap();
    assert_eq!(texts(&pool, CUSTOMERS).await, ["S. -", "Sam Doe pro"]);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn two_who_are_both_proven_are_left_to_an_operator(pool: PgPool) {
    let apart = [
        entry(2, "Sam Doe", None, &[("email", "sam@example.org")]),
        entry(3, "S. Doe", None, &[("phone", "+14155550123")]),
    ];
    load(&pool, &apart).await;

    let pat = entry(3, "Pat", None, &[("email", "pat@example.org")]);
    let together = load(&pool, &[sam(2), pat]).await;

    let mut both = vec![apart[0].new_id, apart[1].new_id];
    both.sort();
    assert_eq!(together, [Outcome::Several(both), Outcome::Added]);
    assert_eq!(texts(&pool, CUSTOMERS).await, ["Pat -", "S. Doe -", "Sam Doe -"]);
    merges::merge(&pool, apart[0].new_id, apart[1].new_id, LISA, Mode::Write).await.unwrap();
    assert_eq!(load(&pool, &[sam(2)]).await, [Outcome::Changed]);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn two_entries_of_one_customer_are_told_apart_within_and_across_batches(pool: PgPool) {
    load(&pool, &[sam(2)]).await;
    let (by_mail, by_phone) = (
        entry(2, "Sam", None, &[("email", "sam@example.org")]),
        entry(3, "Samuel", None, &[("phone", "+14155550123")]),
    );

    let within = load(&pool, &[by_mail.clone(), by_phone.clone()]).await;
    let mut across = Load::new(&pool, LISA, Mode::Write);
    across.batch(&[by_mail]).await.unwrap();
    let second = across.batch(&[by_phone]).await.unwrap();

    assert_eq!(within, [Outcome::Changed, Outcome::SameAs(2)]);
    assert_eq!(second, [(3, Outcome::SameAs(2))]);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_dry_run_writes_nothing(pool: PgPool) {
    let outcomes = Load::new(&pool, LISA, Mode::DryRun).batch(&[sam(2)]).await.unwrap();

    assert_eq!(outcomes, [(2, Outcome::Added)]);
    assert!(texts(&pool, IDENTIFIERS).await.is_empty());
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn loads_at_once_of_the_same_people_make_each_once(pool: PgPool) {
    let people = |reversed: bool| -> Vec<Entry> {
        let make = |n: u64| {
            let (mail, phone) = (format!("p{n}@example.org"), format!("+1415555{n:04}"));
            entry(n + 2, "P", None, &[("email", &mail), ("phone", &phone)])
        };
        let mut all: Vec<Entry> = (0..200).map(make).collect();
        if reversed {
            all.reverse();
        }
        all
    };
    let (forth, back) = (people(false), people(true));

    let (one, other) = tokio::join!(load(&pool, &forth), load(&pool, &back));

    let added = one.iter().chain(&other).filter(|outcome| **outcome == Outcome::Added).count();
    assert_eq!(added, 200);
    assert_eq!(texts(&pool, CUSTOMERS).await.len(), 200);
    assert_eq!(texts(&pool, IDENTIFIERS).await.len(), 400);
}
