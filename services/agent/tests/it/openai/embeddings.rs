//! Embeddings of the server: in order, shared by turns, and comparable or refused.

use agent::ModelFault;
use agent::openai::{Dialect, Embeddings, Settings};
use emulators::openai::{OpenAiEmulator, Play, Settings as Emulated, Wrong, vector};
use futures::future::join_all;

use super::{emulator, settings};

fn texts(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("text number {n}")).collect()
}

fn embeddings(emulator: &OpenAiEmulator, dialect: Dialect) -> Embeddings {
    Embeddings::new(&Settings { dialect, ..settings(emulator) }).unwrap()
}

fn is_vector_of(found: &[f32], text: &str) -> bool {
    let expected = vector(text, Emulated::default().dimension);
    found.len() == expected.len() && found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-5)
}

#[tokio::test]
async fn vectors_come_in_the_order_of_their_texts_as_numbers_or_base64() {
    for dialect in [Dialect::Openai, Dialect::Compatible] {
        let emulator = emulator().await;
        emulator.script_embeddings([Play::Vectors { wrong: Wrong::Reversed }]);
        let embeddings = embeddings(&emulator, dialect);

        let vectors = embeddings.embed(texts(1)).await.unwrap();
        assert!(is_vector_of(&vectors[0], "text number 0"));
        emulator.script_embeddings([Play::Vectors { wrong: Wrong::Reversed }]);
        let vectors = embeddings.embed(texts(30)).await.unwrap();

        for (vector, text) in vectors.iter().zip(texts(30)) {
            assert!(is_vector_of(vector, &text), "{text}");
        }
        assert_eq!(embeddings.dimension(), Some(Emulated::default().dimension));
    }
}

#[tokio::test]
async fn turns_that_come_together_share_requests_for_embeddings() {
    let emulator = emulator().await;
    let embeddings = embeddings(&emulator, Dialect::Openai);

    let asked = texts(300).into_iter().map(|text| {
        let embeddings = embeddings.clone();
        async move { (embeddings.embed(vec![text.clone()]).await.unwrap(), text) }
    });
    let found = join_all(asked).await;

    assert!(found.iter().all(|(vectors, text)| is_vector_of(&vectors[0], text)));
    assert_eq!(emulator.texts(), 300);
    assert!(emulator.embedding_requests() < 30, "{}", emulator.embedding_requests());
}

#[tokio::test]
async fn vectors_that_cannot_be_compared_are_refused() {
    for wrong in [Wrong::NotANumber, Wrong::Zero, Wrong::TooFew] {
        let emulator = emulator().await;
        emulator.script_embeddings(vec![Play::Vectors { wrong }; 3]);

        let error = embeddings(&emulator, Dialect::Compatible).embed(texts(1)).await.unwrap_err();

        assert_eq!(error.fault, ModelFault::Malformed, "{wrong:?}");
    }
    let emulator = emulator().await;
    let embeddings = embeddings(&emulator, Dialect::Openai);
    embeddings.embed(texts(1)).await.unwrap();
    emulator.set_dimension(32);
    assert_eq!(embeddings.embed(texts(1)).await.unwrap_err().fault, ModelFault::Malformed);
    let before = emulator.embedding_requests();
    assert_eq!(
        embeddings.embed(vec![" ".to_owned()]).await.unwrap_err().fault,
        ModelFault::Invalid
    );
    assert_eq!(emulator.embedding_requests(), before);
}

#[tokio::test]
async fn a_text_that_the_server_refuses_leaves_the_others_their_vectors() {
    let emulator = emulator().await;
    let embeddings = embeddings(&emulator, Dialect::Openai);
    let too_long = Play::refuse(400, "context_length_exceeded", "invalid_request_error");
    emulator.when("number 42", too_long);

    let asked = texts(80).into_iter().map(|text| embeddings.embed(vec![text]));
    let found = join_all(asked).await;

    for (at, found) in found.into_iter().enumerate() {
        match found {
            Ok(vectors) => assert!(at != 42 && is_vector_of(&vectors[0], &texts(80)[at])),
            Err(error) => assert_eq!((at, error.fault), (42, ModelFault::TooLong)),
        }
    }
}

#[tokio::test]
async fn a_refused_text_shifts_no_vector_to_another_message() {
    let emulator = emulator().await;
    let embeddings = embeddings(&emulator, Dialect::Openai);
    let too_long = Play::refuse(400, "context_length_exceeded", "invalid_request_error");
    emulator.when("number 42", too_long);

    let messages: Vec<Vec<String>> = texts(120).chunks(3).map(<[String]>::to_vec).collect();
    let found = join_all(messages.iter().map(|texts| embeddings.embed(texts.clone()))).await;

    for (texts, found) in messages.iter().zip(found) {
        let is_refused = texts.iter().any(|text| text.ends_with(" 42"));
        match found {
            Ok(vectors) => {
                assert!(!is_refused && vectors.len() == texts.len(), "{texts:?}");
                for (vector, text) in vectors.iter().zip(texts) {
                    assert!(is_vector_of(vector, text), "{text}");
                }
            }
            Err(error) => assert_eq!((is_refused, error.fault), (true, ModelFault::TooLong)),
        }
    }
}
