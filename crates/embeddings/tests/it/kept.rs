//! Content that can be computed again.

use embeddings::Kept;

const KEY: [u8; 32] = [7; 32];

#[test]
fn only_what_was_kept_whole_under_the_same_key_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("weights");
    let kept = Kept::new(file.clone());
    assert_eq!(kept.read(&KEY), None);

    kept.write(&KEY, b"content".to_vec());

    assert_eq!(kept.read(&KEY).as_deref(), Some(&b"content"[..]));
    assert_eq!(kept.read(&[8; 32]), None);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    let whole = std::fs::read(&file).unwrap();
    for at in 0..whole.len() {
        std::fs::write(&file, &whole[..at]).unwrap();
        assert_eq!(kept.read(&KEY), None, "{at}");
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        std::fs::write(&file, bytes).unwrap();
        assert_eq!(kept.read(&KEY), None, "{at}");
    }
    kept.write(&KEY, b"again".to_vec());
    assert_eq!(kept.read(&KEY).as_deref(), Some(&b"again"[..]));
}
