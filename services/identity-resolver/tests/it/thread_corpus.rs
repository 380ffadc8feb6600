//! The corpus of threads: every mail, read as it came, ends in the conversation where it
//! belongs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use channels::email::{Mail, Ourselves, read};
use contract::{ConversationId, EmailMessage, MailKind};
use sqlx::PgPool;
use uuid::Uuid;

use crate::email_world::{EmailWorld, MAILBOX, at, event, gmail_id};

fn corpus() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../crates/channels/tests/corpus/threads")
}

/// File and the label of where it belongs, in their order.
fn expected() -> Vec<(String, String)> {
    let table = std::fs::read_to_string(corpus().join("expected.tsv")).unwrap();
    let row = |line: &str| {
        let mut cells = line.split('\t');
        (cells.next().unwrap().to_owned(), cells.next().unwrap().to_owned())
    };
    table.lines().skip(1).map(row).collect()
}

fn header<'a>(raw: &'a str, name: &str) -> Option<&'a str> {
    let head = raw.split("\r\n\r\n").next().unwrap();
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

fn message(number: u32, raw: &str, mail: Mail) -> EmailMessage {
    let own = gmail_id(number);
    mail.message_in(MAILBOX, &own, header(raw, "X-GM-THRID").unwrap_or(&own))
}

/// The conversation that knows this id.
async fn knows(pool: &PgPool, rfc822_id: &str) -> ConversationId {
    let query = "select conversation_id from mail_ids where rfc822_id = $1";
    sqlx::query_scalar::<_, Uuid>(query).bind(rfc822_id).fetch_one(pool).await.unwrap().into()
}

/// What the outlet leaves behind when the provider has taken a mail of ours.
async fn sent(world: &EmailWorld, conversation: ConversationId, raw: &str, mail: &Mail) {
    for address in mail.to.iter().chain(&mail.cc) {
        world.sent(conversation, mail.message_id.as_deref().unwrap(), address).await;
    }
    sqlx::query("update tickets set ref = $1 where conversation_id = $2")
        .bind(header(raw, "X-Support-Ticket").unwrap())
        .bind(conversation.as_uuid())
        .execute(&world.pool)
        .await
        .unwrap();
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn every_mail_of_the_corpus_joins_the_conversation_where_it_belongs(pool: PgPool) {
    let ourselves = Ourselves {
        addresses: BTreeSet::from([MAILBOX.into(), "help@taskflow.example".into()]),
        message_id_domains: BTreeSet::from(["taskflow.example".into()]),
    };
    let mut opened: BTreeMap<String, ConversationId> = BTreeMap::new();
    let mut wrong = Vec::new();
    let mut judged = 0;
    for (number, (file, label)) in (1_u32..).zip(expected()) {
        // Each with its own block of ticket refs, of which a process holds few.
        let world = EmailWorld::new(&pool).await;
        let raw = std::fs::read_to_string(corpus().join(&file)).unwrap();
        let mail = read(raw.as_bytes(), &ourselves).unwrap();
        if file.ends_with("-ours.eml") {
            sent(&world, opened[&label], &raw, &mail).await;
            continue;
        }
        judged += 1;
        if let Some(report) = &mail.bounce {
            // Not for the resolver: the dispatcher finds it by what the report returns.
            let returned = report.original_message_id.as_deref().unwrap();
            assert_eq!(knows(&pool, returned).await, opened[&label], "{file}");
            continue;
        }
        let (kind, id) = (mail.kind, mail.message_id.clone());
        let counted = "select count(*) from messages";
        let before = world.count(counted).await;
        world.handle([event(message(number, &raw, mail), at(i64::from(number)))]).await.unwrap();

        let is_copy = file.ends_with("-copy.eml");
        let home = match is_copy {
            true => knows(&pool, id.as_deref().unwrap()).await,
            false => world.home_of(&gmail_id(number)).await,
        };
        assert_eq!(world.count(counted).await - before, i64::from(!is_copy), "{file}");
        let waits = "select count(*) from messages where provider_id = $1 and outcome is null";
        let waits = sqlx::query_scalar::<_, i64>(waits).bind(gmail_id(number));
        let is_answered = !is_copy && kind == MailKind::Human;
        assert_eq!(waits.fetch_one(&pool).await.unwrap(), i64::from(is_answered), "{file}");
        let is_new = !opened.values().any(|other| *other == home);
        match label.as_str() {
            "new" if is_new => {
                let (case, _) = file.rsplit_once('-').unwrap().0.rsplit_once('-').unwrap();
                opened.entry(case.to_owned()).or_insert(home);
            }
            "new" => wrong.push(format!("{file} joined, and belongs alone")),
            label if opened.get(label) == Some(&home) => {}
            label => wrong.push(format!("{file} belongs to {label}")),
        }
    }

    assert_eq!(wrong, Vec::<String>::new());
    assert!(judged >= 90, "{judged} of the mails were judged");
}
