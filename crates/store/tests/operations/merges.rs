//! Merging two customers and parting them again.

use std::time::Duration;

use contract::{ConversationId, CustomerId, MergeId};
use sqlx::PgPool;
use store::merges::{self, Mode, Moved, Refusal};
use testkit::wait_for;
use uuid::Uuid;

use crate::rows::{LISA, run};

/// Sam by mail with a plan, and somebody on WhatsApp without one, both proven.
const TWO: &str = "
    insert into customers (id, name, plan) values
        ('00000000-0000-0000-0000-00000000000a', 'Sam', null),
        ('00000000-0000-0000-0000-00000000000b', 'sam on the phone', 'pro');
    insert into customer_identifiers (kind, value, customer_id, level) values
        ('email', 'sam@example.org', '00000000-0000-0000-0000-00000000000a', 'authenticated'),
        ('phone', '+14155550123', '00000000-0000-0000-0000-00000000000b', 'authenticated'),
        ('whatsapp', 'ES.1', '00000000-0000-0000-0000-00000000000b', 'authenticated');
    insert into conversations (id, channel, thread_key, customer_id, identity_level, address)
    values ('00000000-0000-0000-0000-0000000000a1', 'email', 'a1',
            '00000000-0000-0000-0000-00000000000a', 'authenticated', 'Sam@example.org'),
        ('00000000-0000-0000-0000-0000000000b1', 'whatsapp', 'ES.1',
            '00000000-0000-0000-0000-00000000000b', 'authenticated', 'whatsapp:+14155550123')";

fn customer(letter: u8) -> CustomerId {
    Uuid::from_u128(letter.into()).into()
}
const A: u8 = 0xa;
const B: u8 = 0xb;

/// Identifiers, conversations, plans: all that a merge may change.
async fn picture(pool: &PgPool) -> Vec<String> {
    sqlx::query_scalar(
        "select 'identifier ' || value || ' ' || customer_id || level from customer_identifiers
         union all select 'conversation ' || id || ' ' || customer_id from conversations
         union all select 'customer ' || id || name || coalesce(plan, '-')
             || coalesce(merged_into::text, '-') from customers order by 1",
    )
    .fetch_all(pool)
    .await
    .unwrap()
}

async fn owner(pool: &PgPool, conversation: &str) -> CustomerId {
    let id: Uuid = sqlx::query_scalar("select customer_id from conversations where id = $1")
        .bind(ConversationId::named(conversation).as_uuid())
        .fetch_one(pool)
        .await
        .unwrap();
    id.into()
}

/// What a resolver writes that took `customer` for the writer's.
async fn open(
    pool: &PgPool,
    (name, channel, thread_key, address): (&str, &str, &str, Option<&str>),
    customer: CustomerId,
) {
    sqlx::query(
        "insert into conversations (id, channel, thread_key, customer_id, identity_level, address)
         values ($1, $2, $3, $4, 'authenticated', $5)",
    )
    .bind(ConversationId::named(name).as_uuid())
    .bind(channel)
    .bind(thread_key)
    .bind(customer.as_uuid())
    .bind(address)
    .execute(pool)
    .await
    .unwrap();
}

async fn merged(pool: &PgPool) -> Moved {
    merges::merge(pool, customer(A), customer(B), LISA, Mode::Write).await.unwrap()
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_merge_moves_everything_and_its_undoing_restores_every_row(pool: PgPool) {
    run(&pool, TWO).await;
    let before = picture(&pool).await;

    let merge = merged(&pool).await;
    let all: Vec<Uuid> = sqlx::query_scalar(
        "select customer_id from customer_identifiers
         union select customer_id from conversations",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    let parted = merges::unmerge(&pool, merge.merge, LISA, Mode::Write).await.unwrap();

    assert_eq!((merge.identifiers, merge.conversations), (2, 1));
    assert_eq!(merge.plan.as_deref(), Some("pro"));
    assert_eq!(all, [customer(A).as_uuid()]);
    assert_eq!((parted.identifiers, parted.conversations, parted.plan), (2, 1, None));
    assert_eq!(picture(&pool).await, before);
    let noted: Vec<(String, String)> = sqlx::query_as(
        "select operator, action from audit_log
         where detail ->> 'merge_id' is not null order by id",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    assert_eq!(noted, [("lisa".into(), "merge".into()), ("lisa".into(), "unmerge".into())]);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_dry_run_tells_the_same_and_changes_nothing(pool: PgPool) {
    run(&pool, TWO).await;
    let before = picture(&pool).await;

    let told = merges::merge(&pool, customer(A), customer(B), LISA, Mode::DryRun).await.unwrap();

    assert_eq!((told.identifiers, told.conversations), (2, 1));
    assert_eq!(picture(&pool).await, before);
    let rows: i64 = sqlx::query_scalar(
        "select (select count(*) from customer_merges) + (select count(*) from audit_log)",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!(rows, 0);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn who_is_not_proven_on_both_sides_is_not_merged(pool: PgPool) {
    run(&pool, TWO).await;
    run(
        &pool,
        "insert into customers (id, name) values
             ('00000000-0000-0000-0000-00000000000c', 'typed');
         insert into customer_identifiers (kind, value, customer_id, level) values
             ('email', 'c@example.org', '00000000-0000-0000-0000-00000000000c', 'self_asserted')",
    )
    .await;
    let typed = customer(0xc);
    let merge = |kept, merged| merges::merge(&pool, kept, merged, LISA, Mode::Write);

    for (kept, other) in [(customer(A), typed), (typed, customer(A))] {
        let refused = merge(kept, other).await;
        assert!(matches!(refused, Err(Refusal::Unproven(id)) if id == typed), "{refused:?}");
    }
    assert!(matches!(merge(typed, typed).await, Err(Refusal::Same)));
    let nobody = CustomerId::named("nobody");
    assert!(matches!(merge(typed, nobody).await, Err(Refusal::Unknown(id)) if id == nobody));
    run(&pool, "update customer_identifiers set on_record = true").await;
    merge(customer(A), typed).await.unwrap();
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn what_comes_between_stays_where_its_identifier_now_belongs(pool: PgPool) {
    run(&pool, TWO).await;
    let merge = merged(&pool).await;
    run(&pool, "update conversations set status = 'closed'").await;
    open(&pool, ("by phone", "whatsapp", "ES.1", None), customer(A)).await;
    open(&pool, ("by mail", "email", "a2", Some("sam@example.org")), customer(A)).await;
    run(&pool, "update customers set plan = 'enterprise' where merged_into is null").await;

    let parted = merges::unmerge(&pool, merge.merge, LISA, Mode::Write).await.unwrap();

    assert_eq!(owner(&pool, "by phone").await, customer(B));
    assert_eq!(owner(&pool, "by mail").await, customer(A));
    // The records changed meanwhile: their word stays.
    assert_eq!(parted.plan.as_deref(), Some("enterprise"));
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_writer_who_looked_before_a_merge_or_its_undoing_follows_it(pool: PgPool) {
    run(&pool, TWO).await;
    run(&pool, "update conversations set status = 'closed'").await;

    let merge = merged(&pool).await;
    open(&pool, ("after the merge", "whatsapp", "ES.1", None), customer(B)).await;
    run(
        &pool,
        "insert into customer_identifiers (kind, value, customer_id, level) values
             ('whatsapp', 'ES.2', '00000000-0000-0000-0000-00000000000b', 'authenticated')",
    )
    .await;
    assert_eq!(owner(&pool, "after the merge").await, customer(A));
    let new: Uuid =
        sqlx::query_scalar("select customer_id from customer_identifiers where value = 'ES.2'")
            .fetch_one(&pool)
            .await
            .unwrap();
    assert_eq!(new, customer(A).as_uuid());

    run(&pool, "update conversations set status = 'closed'").await;
    merges::unmerge(&pool, merge.merge, LISA, Mode::Write).await.unwrap();
    open(&pool, ("after the undoing", "whatsapp", "ES.1", None), customer(A)).await;
    open(&pool, ("their own", "email", "a3", Some("sam@example.org")), customer(A)).await;
    assert_eq!(owner(&pool, "after the undoing").await, customer(B));
    assert_eq!(owner(&pool, "their own").await, customer(A));
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_writer_waits_for_a_merge_that_is_under_way(pool: PgPool) {
    run(&pool, TWO).await;
    run(&pool, "update conversations set status = 'closed'").await;
    let mut merge = pool.begin().await.unwrap();
    sqlx::query("select from customers order by id for update").execute(&mut *merge).await.unwrap();
    let writer = tokio::spawn({
        let pool = pool.clone();
        async move { open(&pool, ("late", "whatsapp", "ES.1", None), customer(B)).await }
    });
    wait_for("the writer to wait for a lock", || async {
        let waiting: i64 = sqlx::query_scalar(
            "select count(*) from pg_stat_activity
             where datname = current_database() and wait_event_type = 'Lock'",
        )
        .fetch_one(&pool)
        .await
        .unwrap();
        waiting > 0
    })
    .await;

    sqlx::query("update customers set merged_into = $1 where id = $2")
        .bind(customer(A).as_uuid())
        .bind(customer(B).as_uuid())
        .execute(&mut *merge)
        .await
        .unwrap();
    merge.commit().await.unwrap();
    tokio::time::timeout(Duration::from_secs(10), writer).await.unwrap().unwrap();

    assert_eq!(owner(&pool, "late").await, customer(A));
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn merges_are_undone_once_and_the_last_one_first(pool: PgPool) {
    run(&pool, TWO).await;
    run(
        &pool,
        "insert into customers (id, name) values ('00000000-0000-0000-0000-00000000000c', 'Sam');
         insert into customer_identifiers (kind, value, customer_id, level) values
             ('email', 's@work.example', '00000000-0000-0000-0000-00000000000c', 'authenticated')",
    )
    .await;
    let before = picture(&pool).await;
    let first = merged(&pool).await.merge;
    let again = merges::merge(&pool, customer(0xc), customer(B), LISA, Mode::Write).await;
    let second = merges::merge(&pool, customer(0xc), customer(A), LISA, Mode::Write).await.unwrap();
    let unmerge = |id: MergeId| merges::unmerge(&pool, id, LISA, Mode::Write);

    assert!(
        matches!(again, Err(Refusal::Merged(b, into)) if (b, into) == (customer(B), customer(A)))
    );
    let early = unmerge(first).await;
    assert!(matches!(early, Err(Refusal::Later(id)) if id == second.merge), "{early:?}");
    unmerge(second.merge).await.unwrap();
    unmerge(first).await.unwrap();
    assert!(matches!(unmerge(first).await, Err(Refusal::Undone(_))));
    assert!(matches!(unmerge(MergeId::random()).await, Err(Refusal::UnknownMerge(_))));
    assert_eq!(picture(&pool).await, before);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn two_operators_who_merge_the_other_way_round_at_once_merge_once(pool: PgPool) {
    run(&pool, TWO).await;

    let (one, other) = tokio::join!(
        merges::merge(&pool, customer(A), customer(B), LISA, Mode::Write),
        merges::merge(&pool, customer(B), customer(A), LISA, Mode::Write),
    );

    assert_eq!([one.is_ok(), other.is_ok()].iter().filter(|won| **won).count(), 1);
    let lost = one.and(other).unwrap_err();
    assert!(matches!(lost, Refusal::Merged(..)), "{lost}");
}
