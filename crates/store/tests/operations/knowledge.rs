//! The knowledge base, loaded anew while a search is under way.

use sqlx::PgPool;
use store::knowledge::{self, Chunk};

fn chunk(body: &str) -> Chunk {
    Chunk {
        chunk_id: "export#how".to_owned(),
        article: "export".to_owned(),
        title: "Export a board".to_owned(),
        heading: "How".to_owned(),
        body: body.to_owned(),
        content_hash: body.as_bytes().to_vec(),
    }
}

async fn load(pool: &PgPool, chunk: Chunk) {
    let mut transaction = pool.begin().await.unwrap();
    knowledge::replace(&mut transaction, &[chunk]).await.unwrap();
    transaction.commit().await.unwrap();
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn what_was_looked_up_is_found_as_it_was_also_after_the_next_load(pool: PgPool) {
    load(&pool, chunk("Choose CSV.")).await;
    let looked_up = knowledge::look_up(&pool, &["csv"]).await.unwrap();

    load(&pool, chunk("Choose JSON.")).await;

    let found = knowledge::sections(&pool, &looked_up[0].chunks).await.unwrap();
    let found: Vec<_> = found.iter().map(|section| (&*section.body, section.version)).collect();
    assert_eq!(found, [("Choose CSV.", 1)]);
    let again = knowledge::look_up(&pool, &["csv"]).await.unwrap();
    assert!(again[0].chunks.is_empty(), "{again:?}");
}
