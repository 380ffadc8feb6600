//! The knowledge base, loaded anew while a search is under way.

use sqlx::PgPool;
use store::knowledge::{self, Chunk, ChunkVectors, Space};

const SPACE: Space<'static> = Space { model: "m", dimension: 2 };

fn chunk(body: &str) -> Chunk {
    Chunk {
        chunk_id: "export#how".to_owned(),
        article: "export".to_owned(),
        title: "Export a board".to_owned(),
        heading: "How".to_owned(),
        body: body.to_owned(),
        asked_as: Vec::new(),
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
    let looked_up = knowledge::look_up(&pool, &["csv"]).await.unwrap().postings;

    load(&pool, chunk("Choose JSON.")).await;

    let found = knowledge::sections(&pool, &looked_up[0].chunks).await.unwrap();
    let found: Vec<_> = found.iter().map(|section| (&*section.body, section.version)).collect();
    assert_eq!(found, [("Choose CSV.", 1)]);
    let again = knowledge::look_up(&pool, &["csv"]).await.unwrap().postings;
    assert!(again[0].chunks.is_empty(), "{again:?}");
}

async fn load_with_vectors(pool: &PgPool, chunks: &[Chunk], space: Space<'_>, vectors: &[&[f32]]) {
    let mut transaction = pool.begin().await.unwrap();
    knowledge::replace(&mut transaction, chunks).await.unwrap();
    let vectors: Vec<_> = chunks
        .iter()
        .map(|chunk| ChunkVectors {
            chunk_id: chunk.chunk_id.clone(),
            content_hash: chunk.content_hash.clone(),
            vectors: vectors.iter().map(|vector| vector.to_vec()).collect(),
        })
        .collect();
    knowledge::keep_vectors(&mut transaction, space, &vectors).await.unwrap();
    transaction.commit().await.unwrap();
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn vectors_of_another_model_or_dimension_are_never_compared(pool: PgPool) {
    let other = Space { model: "n", dimension: 2 };
    let longer = Space { model: "m", dimension: 3 };
    let chunk = chunk("Choose CSV.");
    load_with_vectors(&pool, std::slice::from_ref(&chunk), other, &[&[1.0, 0.0]]).await;
    load_with_vectors(&pool, std::slice::from_ref(&chunk), longer, &[&[1.0, 0.0, 0.0]]).await;

    let before = knowledge::vectors(&pool, SPACE).await.unwrap();
    load_with_vectors(&pool, &[chunk], SPACE, &[&[1.0, 0.0], &[0.0, 1.0]]).await;
    let after = knowledge::vectors(&pool, SPACE).await.unwrap();

    assert_eq!(before.vectors, []);
    let vectors: Vec<_> = after.vectors.iter().map(|stored| &*stored.vector).collect();
    assert_eq!(vectors, [[1.0, 0.0], [0.0, 1.0]]);
    assert!(after.vectors.iter().all(|stored| stored.article == "export"));
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn whoever_looks_words_up_learns_that_the_vectors_have_changed(pool: PgPool) {
    let chunk = chunk("Choose CSV.");
    let version = async || knowledge::look_up(&pool, &[]).await.unwrap().vectors_version;
    let empty = version().await;
    load_with_vectors(&pool, std::slice::from_ref(&chunk), SPACE, &[&[1.0, 0.0]]).await;

    let loaded = version().await;
    let again = version().await;
    let read = knowledge::vectors(&pool, SPACE).await.unwrap().version;
    load_with_vectors(&pool, &[], SPACE, &[]).await;

    assert_eq!((loaded, loaded), (again, read));
    assert!(empty < loaded && loaded < version().await);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn the_vectors_of_a_changed_chunk_are_missing_until_they_are_added(pool: PgPool) {
    load_with_vectors(&pool, &[chunk("Choose CSV.")], SPACE, &[&[1.0, 0.0]]).await;
    let mut connection = pool.acquire().await.unwrap();
    assert_eq!(knowledge::without_vectors(&mut connection, SPACE).await.unwrap(), 0);
    assert_eq!(knowledge::embedded(&mut connection, SPACE).await.unwrap(), [b"Choose CSV."]);

    load_with_vectors(&pool, &[chunk("Choose JSON.")], SPACE, &[]).await;

    assert_eq!(knowledge::without_vectors(&mut connection, SPACE).await.unwrap(), 1);
    let stored = knowledge::vectors(&pool, SPACE).await.unwrap();
    assert_eq!(stored.vectors, [], "what left the search has no vectors");
}
