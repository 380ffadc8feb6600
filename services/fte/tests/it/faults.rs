//! Services killed under load: nothing accepted is lost, nothing is answered twice.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::StreamExt;
use rustix::process::Signal;
use testkit::wait_within;

use crate::customer::{Ticket, texts};
use crate::product::{Product, kill};

const SERVICES: [&str; 6] =
    ["webform-ingress", "identity-resolver", "agent", "dispatcher", "metrics", "support-api"];
const SUBMISSIONS: usize = 1_000;
const CUSTOMERS: usize = 16;
/// A killed member's partitions come back when the group has noticed.
const DRAIN_LIMIT: Duration = Duration::from_secs(180);

#[tokio::test]
async fn each_service_killed_once_under_load_loses_and_doubles_nothing_on_kafka() {
    kill_under_load(&["--bus", "kafka"], 1).await;
}

#[tokio::test]
#[ignore = "takes minutes: make test-faults"]
async fn each_service_killed_five_times_under_load_loses_and_doubles_nothing_on_kafka() {
    kill_under_load(&["--bus", "kafka"], 5).await;
}

#[tokio::test]
#[ignore = "takes minutes: make test-faults"]
async fn each_service_killed_five_times_under_load_loses_and_doubles_nothing_on_postgres() {
    kill_under_load(&["--bus", "postgres"], 5).await;
}

async fn kill_under_load(arguments: &[&str], rounds: usize) {
    let arguments: Vec<_> = arguments.iter().copied().chain(["--processes"]).collect();
    let product = Product::start(&arguments).await;
    for round in 0..rounds {
        let tickets = submit_while_killing(&product, round).await;
        let references: HashSet<_> = tickets.iter().map(|ticket| &ticket.reference).collect();
        assert_eq!(references.len(), SUBMISSIONS, "refs are unique");
        everything_is_answered_once(&product, tickets).await;
    }
    nothing_waits_and_every_promise_holds(&product).await;
}

async fn submit_while_killing(product: &Product, round: usize) -> Vec<Ticket> {
    let accepted = AtomicUsize::new(0);
    let submissions = futures::stream::iter(0..SUBMISSIONS).map(async |number| {
        let (subject, key) =
            (format!("Export a board ({round}-{number})"), format!("{round}-{number}"));
        let question = "How do I export my board as a file?";
        let ticket = product.submit_until_accepted(&subject, question, &key).await;
        accepted.fetch_add(1, Ordering::Relaxed);
        ticket
    });
    let submissions = submissions.buffer_unordered(CUSTOMERS).collect();
    let (tickets, ()) = tokio::join!(submissions, kill_in_turn(product, &accepted));
    tickets
}

/// One kill after each seventh of the submissions.
async fn kill_in_turn(product: &Product, accepted: &AtomicUsize) {
    for (turn, service) in SERVICES.into_iter().enumerate() {
        let mark = SUBMISSIONS * (turn + 1) / (SERVICES.len() + 1);
        let is_there = async || accepted.load(Ordering::Relaxed) >= mark;
        wait_within(DRAIN_LIMIT, "the load to go on", is_there).await;
        let mut victim = None;
        wait_within(DRAIN_LIMIT, service, async || {
            victim = product.child_running(service);
            victim.is_some()
        })
        .await;
        kill(victim.unwrap(), Signal::KILL);
    }
}

async fn everything_is_answered_once(product: &Product, tickets: Vec<Ticket>) {
    let mut waiting = tickets.clone();
    wait_within(DRAIN_LIMIT, "every ticket to be answered", async || {
        // One after another: a page without its answer is asked for again.
        while let Some(ticket) = waiting.last() {
            if texts(&product.page(ticket).await, "agent").is_empty() {
                return false;
            }
            waiting.pop();
        }
        true
    })
    .await;
    for ticket in tickets {
        let page = product.page(&ticket).await;
        assert_eq!(texts(&page, "agent").len(), 1, "{}", ticket.reference);
        assert_eq!(texts(&page, "customer").len(), 1, "{}", ticket.reference);
    }
}

async fn nothing_waits_and_every_promise_holds(product: &Product) {
    wait_within(DRAIN_LIMIT, "every group to be at the end", async || {
        let health = product.get_json("/health/detailed").await;
        let lag = health["lag"].as_object().unwrap();
        let topics = lag.values().flat_map(|group| group.as_object().unwrap().values());
        topics.map(|records| records.as_i64().unwrap()).sum::<i64>() == 0
    })
    .await;
    let pool = product.database().await;
    let mut breaches = Vec::new();
    // The outbox is emptied in batches a moment after the last acknowledgement.
    wait_within(DRAIN_LIMIT, "the outbox to be empty", async || {
        breaches = store::verify::breaches(&pool).await.unwrap();
        let left: i64 =
            sqlx::query_scalar("select count(*) from outbox").fetch_one(&pool).await.unwrap();
        left == 0
    })
    .await;
    assert_eq!(breaches, []);
    product.every_promise_holds().await;
}
