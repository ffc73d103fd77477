//! API keys: found by what they hash to, and gone when they are revoked.

use store::{ApiKey, Page, Store};

use crate::make::{Make, at, user};

pub(crate) async fn a_key_is_found_by_its_digest(store: &dyn Store) {
    let make = &mut Make::new();
    let admin = make.key(at(1));
    let bound = ApiKey { name: "CI “ß”".to_owned(), user_id: Some(user("alice")), ..make.key(at(2)) };
    for key in [&admin, &bound] {
        store.create_key(key).await.unwrap();
    }
    for key in [&admin, &bound] {
        assert_eq!(store.key(&key.digest).await.unwrap().as_ref(), Some(key));
    }
    assert_eq!(store.key(&make.key(at(3)).digest).await.unwrap(), None);
}

pub(crate) async fn a_revoked_key_opens_nothing(store: &dyn Store) {
    let make = &mut Make::new();
    let (kept, revoked) = (make.key(at(1)), make.key(at(2)));
    for key in [&kept, &revoked] {
        store.create_key(key).await.unwrap();
    }
    assert!(store.delete_key(revoked.id).await.unwrap());
    assert!(!store.delete_key(revoked.id).await.unwrap(), "it is gone already");
    assert_eq!(store.key(&revoked.digest).await.unwrap(), None);
    assert_eq!(store.keys(&Page::first(10)).await.unwrap(), [kept]);
}

pub(crate) async fn keys_are_listed_from_the_newest(store: &dyn Store) {
    let make = &mut Make::new();
    let keys: Vec<_> = (0..5).map(|second| make.key(at(second))).collect();
    for key in &keys {
        store.create_key(key).await.unwrap();
    }
    assert!(store.keys(&Page::first(10)).await.unwrap().iter().eq(keys.iter().rev()));
    let page = Page { before: Some(keys[3].id), limit: 2 };
    assert_eq!(store.keys(&page).await.unwrap(), [keys[2].clone(), keys[1].clone()]);
}

pub(crate) async fn a_key_is_given_once(store: &dyn Store) {
    let make = &mut Make::new();
    let key = make.key(at(1));
    store.create_key(&key).await.unwrap();
    let twin = ApiKey { user_id: Some(user("mallory")), ..key.clone() };
    assert!(store.create_key(&twin).await.is_err());
    let twin = ApiKey { id: make.key(at(2)).id, ..twin };
    assert!(store.create_key(&twin).await.is_err());
    assert_eq!(store.keys(&Page::first(10)).await.unwrap(), [key]);
}
