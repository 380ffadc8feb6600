//! What a ticket costs the database: round trips counted on the wire, and one
//! transaction for all that a turn writes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{self, builtin, conversation, handle, numbered_conversation};

/// Counts what a client sends and waits for: each Sync or simple Query is one round
/// trip, and one that follows an Execute is a statement. The others are the pool's, as
/// it makes sure of a connection that comes back.
#[derive(Clone, Default)]
struct RoundTrips {
    all: Arc<AtomicUsize>,
    statements: Arc<AtomicUsize>,
}

impl RoundTrips {
    fn take(&self) -> (usize, usize) {
        (self.all.swap(0, Ordering::SeqCst), self.statements.swap(0, Ordering::SeqCst))
    }

    /// A port that leads to the server and counts on the way.
    async fn listen(&self, server: (String, u16)) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let counter = self.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let upstream = TcpStream::connect(&server).await.unwrap();
                tokio::spawn(counter.clone().relay(client, upstream));
            }
        });
        port
    }

    async fn relay(self, client: TcpStream, server: TcpStream) {
        let (mut from_client, mut to_client) = client.into_split();
        let (mut from_server, mut to_server) = server.into_split();
        tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
        let mut startup = vec![0; from_client.read_u32().await.unwrap() as usize - 4];
        from_client.read_exact(&mut startup).await.unwrap();
        to_server.write_u32(startup.len() as u32 + 4).await.unwrap();
        to_server.write_all(&startup).await.unwrap();
        while let Ok(kind) = from_client.read_u8().await {
            let length = from_client.read_u32().await.unwrap();
            let mut body = vec![0; length as usize - 4];
            from_client.read_exact(&mut body).await.unwrap();
            match kind {
                b'S' => _ = self.all.fetch_add(1, Ordering::SeqCst),
                b'E' => _ = self.statements.fetch_add(1, Ordering::SeqCst),
                _ => assert_ne!(kind, b'Q', "a simple query"),
            }
            let mut message = vec![kind];
            message.extend(length.to_be_bytes());
            message.extend(body);
            to_server.write_all(&message).await.unwrap();
        }
    }
}

/// Connections through the counter, set up as the services set up theirs.
async fn counted(options: &PgConnectOptions, port: u16) -> PgPool {
    let through =
        options.clone().host("127.0.0.1").port(port).ssl_mode(sqlx::postgres::PgSslMode::Disable);
    // The other one is for what runs beside turns; here that is nothing.
    let pool = PgPoolOptions::new().max_connections(2).test_before_acquire(false);
    pool.connect_with(through).await.unwrap()
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_ticket_costs_four_round_trips_and_one_transaction(pool: PgPool) {
    support::load_article(&pool).await;
    let id = conversation(&pool, "How do I export a board", "As a file.").await;
    let round_trips = RoundTrips::default();
    let options = pool.connect_options();
    let port = round_trips.listen((options.get_host().to_owned(), options.get_port())).await;
    let counted = counted(&options, port).await;
    let (agent, publisher) = builtin(&counted);
    // The first turn prepares the statements.
    handle(&agent, id, 1).await;
    support::add_message(&pool, id, "How do I export the attachments?").await;
    publisher.take();
    round_trips.take();

    handle(&agent, id, 2).await;

    let (all, statements) = round_trips.take();
    assert_eq!((all, statements, publisher.records().len()), (4, 4, 2));
    let transactions: Vec<String> = sqlx::query_scalar(
        "select distinct xmin::text from (
             select xmin from turns where first_seq = 2 union all
             select xmin from messages where seq = 2 union all
             select xmin from conversations union all
             select xmin from tickets union all
             select o.xmin from outbox o where o.event_id in
                 (select event_id from outbox order by id desc limit 2)) as written",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    assert_eq!(transactions.len(), 1);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn turns_at_the_same_time_share_their_statements_and_keep_their_answers(pool: PgPool) {
    const TURNS: u32 = 60;
    support::load_article(&pool).await;
    let questions = [
        ("How do I export a board as CSV?", "export-data#export-a-board-as-csv-or-json"),
        ("How do I export the attachments?", "export-data#export-attachments"),
    ];
    let mut conversations = Vec::new();
    for (number, (question, chunk)) in (0..TURNS).zip(questions.iter().cycle()) {
        conversations
            .push((numbered_conversation(&pool, number, "Export", question).await, *chunk));
    }
    let round_trips = RoundTrips::default();
    let options = pool.connect_options();
    let port = round_trips.listen((options.get_host().to_owned(), options.get_port())).await;
    let counted = counted(&options, port).await;
    let (agent, _) = builtin(&counted);
    round_trips.take();

    futures::future::join_all(conversations.iter().map(|(id, _)| handle(&agent, *id, 1))).await;

    let (_, statements) = round_trips.take();
    assert!(statements < TURNS as usize, "{statements} statements for {TURNS} turns");
    for (id, chunk) in conversations {
        let cited: String = sqlx::query_scalar(
            "select log -> 'draft' -> 'cites' -> 0 ->> 'chunk_id' from turns where conversation_id = $1",
        )
        .bind(uuid::Uuid::from(id))
        .fetch_one(&pool)
        .await
        .unwrap();
        assert_eq!(cited, chunk);
    }
}
