//! The model itself, as `make setup` fetches it.

use std::path::{Path, PathBuf};

use embeddings::{Error, MiniLm, Vector, likeness};

/// The first numbers of [`KNOWN`], by ONNX Runtime 1.32 on the same file.
const KNOWN_VECTOR: [f32; 6] = [0.06729, -0.00190, -0.16520, 0.03103, 0.01450, 0.02390];
const KNOWN: &str = "How do I export a board as a CSV file?";

fn folder() -> PathBuf {
    let runtime = std::env::var_os("FTE_RUNTIME_DIR").map(PathBuf::from);
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.runtime");
    runtime.unwrap_or_else(default).join("minilm")
}

fn model() -> MiniLm {
    MiniLm::load(&folder()).unwrap()
}

async fn embed(texts: &[&str]) -> Vec<Vector> {
    model().embed(texts.iter().map(|text| (*text).to_owned()).collect()).await.unwrap()
}

#[tokio::test]
async fn a_vector_is_the_one_that_others_compute_and_of_length_one() {
    let vectors = embed(&[KNOWN]).await;

    let vector = &vectors[0];
    assert_eq!(vector.len(), MiniLm::DIMENSION);
    for (number, known) in vector.iter().zip(KNOWN_VECTOR) {
        assert!((number - known).abs() < 1e-3, "{:?}", &vector[..6]);
    }
    assert!((likeness(vector, vector) - 1.0).abs() < 1e-5);
}

#[tokio::test]
async fn texts_of_one_meaning_are_nearer_than_texts_with_the_same_words() {
    let vectors = embed(&[
        "I want my money back.",
        "Please refund the last payment.",
        "I want my board back.",
        "The weather in Lisbon is fine today.",
    ])
    .await;

    let to_first = |at: usize| likeness(&vectors[0], &vectors[at]);
    assert!(to_first(1) > to_first(2) && to_first(2) > to_first(3));
}

#[tokio::test]
async fn case_and_accents_do_not_matter_and_order_is_kept() {
    let texts: Vec<String> = (0..40)
        .map(|number| format!("Question {}", number % 20))
        .chain(["ÉXPORT".into()])
        .collect();

    let vectors = model().embed(texts.clone()).await.unwrap();

    assert_eq!(vectors.len(), 41);
    for number in 0..20 {
        assert_eq!(vectors[number], vectors[number + 20]);
    }
    assert_ne!(vectors[0], vectors[1]);
    assert_eq!(vectors[40], embed(&["export"]).await[0]);
}

#[tokio::test]
async fn a_long_text_is_cut_at_256_tokens_and_an_empty_one_has_a_vector() {
    let words = |count: usize| "board ".repeat(count);
    let vectors = embed(&[
        &words(254),
        &words(255),
        &format!("{}invoice", words(254)),
        &words(200_000),
        &words(253),
        "",
    ])
    .await;

    assert_eq!(vectors[0], vectors[1]);
    assert_eq!(vectors[0], vectors[2]);
    assert_eq!(vectors[0], vectors[3]);
    assert_ne!(vectors[0], vectors[4]);
    assert_eq!(vectors[5].len(), MiniLm::DIMENSION);
    assert!((likeness(&vectors[5], &vectors[5]) - 1.0).abs() < 1e-5);
}

#[tokio::test]
async fn odd_texts_have_vectors_too() {
    let texts = [
        "antidisestablishmentarianismuswissenschaften",
        "qzxjkvwqzxjkvw",
        "\u{1f44d}\u{fe0f}",
        "\u{200b}\u{0}",
        "導出ボード",
        "\u{65e}\u{65e}",
    ];

    for (text, vector) in texts.iter().zip(embed(&texts).await) {
        assert!((likeness(&vector, &vector) - 1.0).abs() < 1e-5, "{text:?}");
    }
}

#[tokio::test]
async fn a_missing_file_is_named_with_what_brings_it() {
    let folder = tempfile::tempdir().unwrap();

    let nothing = MiniLm::load(folder.path()).unwrap_err();
    std::fs::write(folder.path().join("model.onnx"), "no model").unwrap();
    let broken = MiniLm::load(folder.path()).unwrap_err();

    assert!(matches!(&nothing, Error::Missing { .. }));
    let text = nothing.to_string();
    assert!(text.contains("make setup") && text.contains("model.onnx"), "{text}");
    assert!(matches!(&broken, Error::Unusable { .. }), "{broken}");
}
