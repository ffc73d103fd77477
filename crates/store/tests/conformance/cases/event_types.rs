//! Event types that somebody has described: each owner has a catalogue of their own.

use domain::UserId;
use domain::event::Json;
use store::{AddedType, Store};

use crate::make::{at, user};

fn added(owner_id: Option<UserId>, event_type: &str) -> AddedType {
    AddedType {
        owner_id,
        event_type: event_type.parse().unwrap(),
        description: "“ß” happens".to_owned(),
        example: Some(Json::from_text("{ \"n\" : 1.0 }").unwrap()),
        schema: None,
        created_at: at(1),
    }
}

pub(crate) async fn an_event_type_comes_back_as_it_was_described(store: &dyn Store) {
    let schema = Some(Json::from_text("{\"type\":\"object\"}").unwrap());
    let full = AddedType { schema, ..added(Some(user("alice")), "order.paid") };
    let bare = AddedType { example: None, ..added(Some(user("alice")), "order.made") };
    for described in [&full, &bare] {
        assert!(store.create_event_type(described).await.unwrap());
    }
    assert_eq!(store.event_types(Some(&user("alice"))).await.unwrap(), [bare, full]);
}

pub(crate) async fn an_owner_describes_a_type_once(store: &dyn Store) {
    let first = added(Some(user("alice")), "order.paid");
    assert!(store.create_event_type(&first).await.unwrap());
    let second = AddedType { description: "again".to_owned(), ..first.clone() };
    assert!(!store.create_event_type(&second).await.unwrap());
    assert_eq!(store.event_types(Some(&user("alice"))).await.unwrap(), [first]);
}

pub(crate) async fn catalogues_are_apart(store: &dyn Store) {
    let (alice, bob) = (user("alice"), user("bob"));
    for owner in [None, Some(alice.clone()), Some(bob.clone())] {
        assert!(store.create_event_type(&added(owner, "order.paid")).await.unwrap());
    }
    let paid = "order.paid".parse().unwrap();
    assert!(store.delete_event_type(Some(&alice), &paid).await.unwrap());
    assert!(!store.delete_event_type(Some(&alice), &paid).await.unwrap(), "it is gone already");
    assert_eq!(store.event_types(Some(&alice)).await.unwrap(), []);
    assert_eq!(store.event_types(Some(&bob)).await.unwrap(), [added(Some(bob), "order.paid")]);
    assert!(store.delete_event_type(None, &paid).await.unwrap());
    assert_eq!(store.event_types(None).await.unwrap(), []);
}
