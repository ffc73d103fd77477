//! Notes: what is passed on and not kept.

use store::{NOTE_BYTES_MAX, Store, StoreError};

pub(crate) async fn a_note_reaches_whoever_listens_just_then(store: &dyn Store) {
    store.pass_note("before anybody listens").await.unwrap();
    let (mut one, mut other) = (store.notes().await.unwrap(), store.notes().await.unwrap());
    for note in ["the first", "it's \"another\" — \u{1f514}"] {
        store.pass_note(note).await.unwrap();
        assert_eq!(one.next().await.unwrap(), note);
        assert_eq!(other.next().await.unwrap(), note);
    }
}

pub(crate) async fn a_note_may_be_so_long_and_no_longer(store: &dyn Store) {
    let mut notes = store.notes().await.unwrap();
    let longest = "x".repeat(NOTE_BYTES_MAX);
    let refused = store.pass_note(&format!("{longest}x")).await;
    assert!(matches!(refused, Err(StoreError::Refused(_))), "{refused:?}");
    store.pass_note(&longest).await.unwrap();
    assert_eq!(notes.next().await.unwrap(), longest);
}
