//! Sealed secrets, as whoever seals them anew meets them.

use domain::registration::Basis;
use store::{Page, SealedIn, SealedSecret, Store};

use crate::make::{Make, at, user};

/// All secrets of a kind, two at a time.
async fn walk(store: &dyn Store, within: SealedIn) -> Vec<SealedSecret> {
    let (mut all, mut after) = (Vec::<SealedSecret>::new(), [0; 16]);
    loop {
        let page = store.sealed_secrets(within, after, 2).await.unwrap();
        let Some(last) = page.last() else { return all };
        after = last.id;
        all.extend(page);
    }
}

pub(crate) async fn every_secret_is_walked_past_and_can_be_sealed_anew(store: &dyn Store) {
    let make = &mut Make::new();
    for second in 1..=3 {
        store.create_subscription(&make.subscription(at(second))).await.unwrap();
        store.create_source(&make.source(at(second))).await.unwrap();
        assert!(store.create_connection(&make.connection(at(second)), &[]).await.unwrap());
        let registration = make.registration(Basis::Application, &format!("place {second}"), at(second));
        assert!(store.create_registration(&registration).await.unwrap());
    }
    for within in SealedIn::ALL {
        let secrets = walk(store, within).await;
        assert_eq!(secrets.len(), 3, "{}", within.name());
        assert!(store.reseal(&secrets[1], b"anew").await.unwrap());
        let expected = [&secrets[0].sealed[..], b"anew", &secrets[2].sealed];
        let found = walk(store, within).await;
        assert_eq!(found.iter().map(|secret| &secret.sealed[..]).collect::<Vec<_>>(), expected);
        assert_eq!(found[1].row(), secrets[1].row());
    }
    let subscriptions = store.subscriptions(Some(&user("alice")), &Page::first(9)).await.unwrap();
    let seconds: Vec<_> = subscriptions.iter().map(|stored| &stored.sealed_key[..]).collect();
    assert_eq!(seconds[1], b"anew", "it is the row's own, in the middle by either end");
}

pub(crate) async fn a_secret_that_has_changed_meanwhile_is_left_alone(store: &dyn Store) {
    let make = &mut Make::new();
    store.create_source(&make.source(at(1))).await.unwrap();
    let seen = walk(store, SealedIn::Sources).await.remove(0);
    assert!(store.reseal(&seen, b"another's").await.unwrap());
    assert!(!store.reseal(&seen, b"too late").await.unwrap());
    assert_eq!(walk(store, SealedIn::Sources).await[0].sealed, b"another's");
    let gone = SealedSecret { id: [9; 16], ..seen };
    assert!(!store.reseal(&gone, b"nobody's").await.unwrap());
}
