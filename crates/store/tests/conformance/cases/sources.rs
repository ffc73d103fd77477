//! Custom sources: an address each, found whole, and with a version that tells of every change.

use store::{Page, Store, StoredSource};

use crate::make::{Make, at, user};

async fn created(store: &dyn Store, count: i64) -> Vec<StoredSource> {
    let make = &mut Make::new();
    let sources: Vec<_> = (0..count).map(|second| make.source(at(second))).collect();
    for source in &sources {
        store.create_source(source).await.unwrap();
    }
    sources
}

pub(crate) async fn a_source_comes_back_as_it_was_written(store: &dyn Store) {
    let make = &mut Make::new();
    let plain = make.source(at(1));
    let odd = StoredSource {
        user_id: None,
        name: "“ß”".to_owned(),
        is_active: false,
        previous_token: Some(([9; 32], at(5))),
        ..make.source(at(2))
    };
    for source in [&plain, &odd] {
        store.create_source(source).await.unwrap();
    }
    for source in [&plain, &odd] {
        assert_eq!(store.source(source.id).await.unwrap().as_ref(), Some(source));
    }
    assert_eq!(store.source(make.source(at(3)).id).await.unwrap(), None);
    let (_, mut every) = store.every_source().await.unwrap();
    every.sort_by_key(|source| source.id);
    assert_eq!(every, [plain, odd]);
}

pub(crate) async fn a_source_is_changed_on_top_of_what_was_seen(store: &dyn Store) {
    let [source] = created(store, 1).await.try_into().unwrap();
    let changed = StoredSource {
        name: "another".to_owned(),
        terms: "{\"a\":1}".to_owned(),
        is_active: false,
        sealed_keys: vec![1],
        token: [8; 32],
        previous_token: Some((source.token, at(60))),
        updated_at: at(7),
        ..source.clone()
    };
    assert!(store.change_source(&changed).await.unwrap());
    assert!(!store.change_source(&changed).await.unwrap(), "that was on top of the first");
    let expected = StoredSource { revision: source.revision + 1, ..changed };
    assert_eq!(store.source(source.id).await.unwrap(), Some(expected));
}

pub(crate) async fn a_removed_source_is_gone_and_stays_so(store: &dyn Store) {
    let [kept, removed] = created(store, 2).await.try_into().unwrap();
    assert!(store.delete_source(removed.id).await.unwrap());
    assert!(!store.delete_source(removed.id).await.unwrap(), "it is gone already");
    assert_eq!(store.source(removed.id).await.unwrap(), None);
    let current = StoredSource { revision: removed.revision + 1, ..removed.clone() };
    for source in [&removed, &current] {
        assert!(!store.change_source(source).await.unwrap());
    }
    assert_eq!(store.sources(None, &Page::first(10)).await.unwrap(), std::slice::from_ref(&kept));
    assert_eq!(store.every_source().await.unwrap().1, [kept]);
}

pub(crate) async fn sources_are_listed_from_the_newest(store: &dyn Store) {
    let mut sources = created(store, 5).await;
    let others = StoredSource { user_id: Some(user("bob")), ..Make::new().source(at(100)) };
    store.create_source(&StoredSource { token: [1; 32], ..others.clone() }).await.unwrap();
    sources.reverse();
    assert_eq!(store.sources(Some(&user("alice")), &Page::first(10)).await.unwrap(), sources);
    assert_eq!(store.sources(None, &Page::first(10)).await.unwrap().len(), 6);
    let page = Page { before: Some(sources[1].id), limit: 2 };
    assert_eq!(store.sources(Some(&user("alice")), &page).await.unwrap(), sources[2..4]);
}

pub(crate) async fn every_change_moves_the_version_of_the_sources(store: &dyn Store) {
    let mut versions = vec![store.sources_version().await.unwrap()];
    let [source] = created(store, 1).await.try_into().unwrap();
    versions.push(store.sources_version().await.unwrap());
    assert!(store.change_source(&source).await.unwrap());
    versions.push(store.sources_version().await.unwrap());
    assert!(!store.change_source(&source).await.unwrap(), "which changes nothing");
    assert_eq!(store.sources_version().await.unwrap(), *versions.last().unwrap());
    assert!(store.delete_source(source.id).await.unwrap());
    let (version, every) = store.every_source().await.unwrap();
    assert_eq!(every, []);
    versions.push(version);
    assert!(versions.is_sorted_by(|earlier, later| earlier < later), "{versions:?}");
    assert_eq!(store.sources_version().await.unwrap(), version);
}

pub(crate) async fn an_address_is_given_once(store: &dyn Store) {
    let make = &mut Make::new();
    let source = make.source(at(1));
    store.create_source(&source).await.unwrap();
    let twin = StoredSource { token: source.token, ..make.source(at(2)) };
    assert!(store.create_source(&twin).await.is_err());
    let twin = StoredSource { token: [3; 32], ..source.clone() };
    assert!(store.create_source(&twin).await.is_err());
    assert_eq!(store.every_source().await.unwrap().1, [source]);
}
