//! What the file keeps, and what happens when it cannot.

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use embeddings::{Cache, Vector};

/// Vectors that say which text they are of; counts the texts.
async fn count(texts: Vec<String>, computed: &AtomicUsize) -> Result<Vec<Vector>, Infallible> {
    computed.fetch_add(texts.len(), Ordering::SeqCst);
    Ok(texts.iter().map(|text| vec![text.len() as f32, 1.0]).collect())
}

async fn embed(cache: &Cache, texts: &[&str]) -> (Vec<Vector>, usize) {
    let computed = AtomicUsize::new(0);
    let texts = texts.iter().map(|text| (*text).to_owned()).collect();
    let Ok(vectors) = cache.embed(texts, async |texts| count(texts, &computed).await).await;
    (vectors, computed.load(Ordering::SeqCst))
}

#[tokio::test]
async fn a_text_is_computed_once_and_read_from_the_file_by_the_next_process() {
    let folder = tempfile::tempdir().unwrap();

    let first = embed(&Cache::new(folder.path(), "m", 2), &["a", "bb", "a"]).await;
    let next = embed(&Cache::new(folder.path(), "m", 2), &["bb", "ccc", "a"]).await;

    assert_eq!(first, (vec![vec![1.0, 1.0], vec![2.0, 1.0], vec![1.0, 1.0]], 2));
    assert_eq!(next, (vec![vec![2.0, 1.0], vec![3.0, 1.0], vec![1.0, 1.0]], 1));
    let files = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(files, 1, "nothing is left beside it");
}

#[tokio::test]
async fn another_model_and_another_dimension_have_vectors_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    embed(&Cache::new(folder.path(), "m/1", 2), &["a"]).await;

    let (_, other_model) = embed(&Cache::new(folder.path(), "m-1", 2), &["a"]).await;
    let (_, other_dimension) = embed(&Cache::new(folder.path(), "m/1", 3), &["a"]).await;

    assert_eq!((other_model, other_dimension), (1, 1));
}

/// A cache that holds "a" and "bb", its file and what stands in it; the folder goes with it.
async fn of_two() -> (tempfile::TempDir, Cache, PathBuf, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::new(folder.path(), "m", 2);
    embed(&cache, &["a", "bb"]).await;
    let file = std::fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
    let whole = std::fs::read(&file).unwrap();
    (folder, cache, file, whole)
}

#[tokio::test]
async fn what_is_damaged_of_a_file_is_computed_again_and_the_rest_is_kept() {
    let (_folder, cache, file, whole) = of_two().await;
    for at in [12, 45, whole.len() - 1] {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        std::fs::write(&file, bytes).unwrap();

        let (vectors, computed) = embed(&cache, &["a", "bb"]).await;

        assert_eq!((vectors, computed), (vec![vec![1.0, 1.0], vec![2.0, 1.0]], 1), "{at}");
        assert_eq!(embed(&cache, &["a", "bb"]).await.1, 0, "{at}");
    }
}

#[tokio::test]
async fn a_file_that_was_cut_off_or_is_another_is_made_anew() {
    let (_folder, cache, file, whole) = of_two().await;
    for bytes in [&whole[..whole.len() - 3], &whole[..3], b"", b"something else"] {
        std::fs::write(&file, bytes).unwrap();

        assert_eq!(embed(&cache, &["ccc"]).await, (vec![vec![3.0, 1.0]], 1));
        assert_eq!(embed(&cache, &["a", "bb", "ccc"]).await.0[2], [3.0, 1.0]);
        assert_eq!(embed(&cache, &["a", "bb", "ccc"]).await.1, 0);
    }
}

#[tokio::test]
async fn a_new_text_is_added_to_the_file_and_nothing_else_is_written() {
    let (_folder, cache, file, before) = of_two().await;

    embed(&cache, &["ccc", "a"]).await;
    embed(&cache, &["ccc", "a"]).await;

    let after = std::fs::read(&file).unwrap();
    assert!(after.starts_with(&before));
    assert_eq!((after.len() - 8) * 2, (before.len() - 8) * 3);
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_costs_only_the_time() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::new(&folder.path().join("missing"), "m", 2);

    assert_eq!(embed(&cache, &["a"]).await, (vec![vec![1.0, 1.0]], 1));
    assert_eq!(embed(&cache, &["a"]).await, (vec![vec![1.0, 1.0]], 1));
}
