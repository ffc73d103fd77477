//! Registrations: one for each basis and place, with a task for the place; and connections that stay for their sake.

use domain::registration::{Basis, Progress, State};
use domain::{Timestamp, UserId};
use futures::future::join_all;
use store::{
    Due, Page, RegistrationFilter, Store, StoredConnection, StoredRegistration, Task, registration_task,
};

use crate::make::{Make, at, json, user};

async fn claim(store: &dyn Store, now: Timestamp) -> Vec<Task> {
    let deadline = now.plus(std::time::Duration::from_secs(60));
    store.claim_tasks(&registration_task("github"), 10, now, deadline).await.unwrap()
}

async fn all(store: &dyn Store, filter: RegistrationFilter) -> Vec<StoredRegistration> {
    store.registrations(&filter, &Page::first(10)).await.unwrap()
}

/// A connection with two registrations.
async fn connected(store: &dyn Store, make: &mut Make) -> (StoredConnection, [StoredRegistration; 2]) {
    let connection = make.connection(at(1));
    let due = ["refresh github", "poll"].map(|kind| Due { kind: kind.to_owned(), at: Some(at(50)) });
    assert!(store.create_connection(&connection, &due).await.unwrap());
    let basis = Basis::Connection(connection.connection.id);
    let registrations = ["one", "two"].map(|place| make.registration(basis, place, at(2)));
    for registration in &registrations {
        assert!(store.create_registration(registration).await.unwrap());
    }
    (connection, registrations)
}

pub(crate) async fn a_registration_comes_back_as_it_was_written(store: &dyn Store) {
    let mut stored = Make::new().registration(Basis::Application, "acme/shop", at(1));
    assert!(store.create_registration(&stored).await.unwrap());
    let registration = &mut stored.registration;
    registration.url = "https://elsewhere.test/".to_owned();
    registration.events = vec!["push".to_owned(), "issues".to_owned()];
    registration.config = Some(json(r#"{"interval":1}"#));
    registration.external_id = Some("17".to_owned());
    registration.state = State::Active;
    registration.state_reason = Some("slow".to_owned());
    registration.progress = Progress { failures: 2, asked_at: Some(at(3)), ..Progress::default() };
    registration.expires_at = Some(at(90));
    registration.due_at = None;
    stored.sealed_secrets = vec![1, 2];
    assert!(store.change_registration(&stored, None).await.unwrap());
    stored.revision += 1;
    assert_eq!(store.registration(stored.registration.id).await.unwrap(), Some(stored));
}

pub(crate) async fn a_basis_has_one_registration_of_each_place(store: &dyn Store) {
    let make = &mut Make::new();
    let basis = Basis::Connection(make.connection(at(1)).connection.id);
    let first = make.registration(basis, "acme/shop", at(1));
    let others = (0..8).map(|_| make.registration(basis, "acme/shop", at(2))).collect::<Vec<_>>();
    assert!(store.create_registration(&first).await.unwrap());
    let created = join_all(others.iter().map(|other| store.create_registration(other))).await;
    assert!(created.iter().all(|created| !created.as_ref().unwrap()));
    for (basis, place) in [(basis, "acme/blog"), (Basis::Application, "acme/shop")] {
        assert!(store.create_registration(&make.registration(basis, place, at(3))).await.unwrap());
    }
    assert_eq!(all(store, RegistrationFilter::default()).await.len(), 3);
}

pub(crate) async fn a_registration_rings_for_its_place(store: &dyn Store) {
    let make = &mut Make::new();
    let connection = Basis::Connection(make.connection(at(1)).connection.id);
    let mut first = make.registration(connection, "acme/shop", at(5));
    assert!(store.create_registration(&first).await.unwrap());
    assert_eq!(claim(store, at(4)).await, []);
    let [task] = claim(store, at(5)).await.try_into().unwrap();
    assert_eq!(task.subject, "acme/shop");
    // Another of that place, and a change: both are for the next claim, whatever this one says.
    let second = make.registration(Basis::Application, "acme/shop", at(6));
    assert!(store.create_registration(&second).await.unwrap());
    assert_eq!(claim(store, at(7)).await, [], "it is in somebody's hands");
    assert!(store.settle_task(&task, at(1_000), "").await.unwrap());
    let [task] = claim(store, at(8)).await.try_into().unwrap();
    assert!(store.settle_task(&task, at(1_000), "").await.unwrap());
    assert!(store.change_registration(&first, Some(at(20))).await.unwrap());
    assert_eq!(claim(store, at(19)).await, []);
    let [task] = claim(store, at(20)).await.try_into().unwrap();
    first.revision += 1;
    assert!(store.change_registration(&first, None).await.unwrap(), "which is not worth a ring");
    assert!(store.settle_task(&task, at(2_000), "").await.unwrap());
    assert_eq!(claim(store, at(1_999)).await, []);
}

pub(crate) async fn a_registration_is_changed_on_top_of_what_was_seen(store: &dyn Store) {
    let stored = Make::new().registration(Basis::Application, "acme/shop", at(1));
    assert!(store.create_registration(&stored).await.unwrap());
    assert!(store.change_registration(&stored, None).await.unwrap());
    assert!(!store.change_registration(&stored, Some(at(1))).await.unwrap());
    assert!(!store.delete_registration(&stored).await.unwrap(), "somebody has changed it since");
    let current = StoredRegistration { revision: stored.revision + 1, ..stored.clone() };
    assert!(store.delete_registration(&current).await.unwrap());
    assert_eq!(store.registration(stored.registration.id).await.unwrap(), None);
}

pub(crate) async fn registrations_are_found_from_the_newest(store: &dyn Store) {
    let make = &mut Make::new();
    let mut registrations: Vec<_> = ["a", "b", "c"]
        .into_iter()
        .zip(1..)
        .map(|(place, second)| make.registration(Basis::Application, place, at(second)))
        .collect();
    let bobs: Option<UserId> = Some(user("bob"));
    registrations[0].registration.user_id.clone_from(&bobs);
    registrations[1].registration.provider = "youtube".to_owned();
    registrations[2].registration.user_id = None;
    for registration in &registrations {
        assert!(store.create_registration(registration).await.unwrap());
    }
    let [first, second, third] = registrations.try_into().unwrap();
    let of = |filter: RegistrationFilter| all(store, filter);
    let any = RegistrationFilter::default;
    let found = of(any()).await;
    assert_eq!(found, [third.clone(), second.clone(), first.clone()]);
    let before = Page { before: Some(third.registration.id), limit: 1 };
    assert_eq!(store.registrations(&any(), &before).await.unwrap(), std::slice::from_ref(&second));
    assert_eq!(of(RegistrationFilter { user_id: bobs, ..any() }).await, [first]);
    assert_eq!(of(RegistrationFilter { provider: Some("youtube".to_owned()), ..any() }).await, [second]);
    assert_eq!(of(RegistrationFilter { place: Some("c".to_owned()), ..any() }).await, [third]);
    assert_eq!(of(RegistrationFilter { basis: Some(Basis::Application), ..any() }).await.len(), 3);
}

pub(crate) async fn a_connection_without_registrations_is_forgotten_at_once(store: &dyn Store) {
    let connection = Make::new().connection(at(1));
    let id = connection.connection.id;
    assert!(store.create_connection(&connection, &[]).await.unwrap());
    assert!(store.remove_connection(id, "refresh github", at(2)).await.unwrap());
    assert!(!store.remove_connection(id, "refresh github", at(2)).await.unwrap());
    assert_eq!(store.connection(id).await.unwrap(), None);
}

pub(crate) async fn a_removed_connection_goes_with_the_last_of_its_registrations(store: &dyn Store) {
    let make = &mut Make::new();
    let (connection, registrations) = connected(store, make).await;
    let connection = connection.connection;
    for task in claim(store, at(2)).await {
        assert!(store.settle_task(&task, at(1_000), "").await.unwrap());
    }
    assert!(store.remove_connection(connection.id, "refresh github", at(9)).await.unwrap());
    assert!(!store.remove_connection(connection.id, "refresh github", at(9)).await.unwrap());
    let removed = store.connection(connection.id).await.unwrap().unwrap();
    assert_eq!((removed.connection.removed_at, removed.revision), (Some(at(9)), 1));
    assert_eq!(store.connections(None, &Page::first(10)).await.unwrap(), []);
    assert_eq!(store.connections_to("github", &connection.account_id).await.unwrap(), []);
    assert_eq!(store.next_task_at("refresh github").await.unwrap(), Some(at(50)), "its tokens stay fresh");
    assert_eq!(store.next_task_at("poll").await.unwrap(), None);
    assert_eq!(claim(store, at(9)).await.len(), 2);
    // A refresh that began before still counts, and takes nothing back.
    assert!(store.change_connection(&removed, &[]).await.unwrap());
    assert!(store.connection(connection.id).await.unwrap().unwrap().connection.removed_at.is_some());

    // The same account may be connected anew meanwhile.
    let mut anew = make.connection(at(10));
    anew.connection.account_id.clone_from(&connection.account_id);
    assert!(store.create_connection(&anew, &[]).await.unwrap());
    for (registration, remain) in registrations.iter().zip([true, false]) {
        let unwanted = store.registration(registration.registration.id).await.unwrap().unwrap();
        assert_eq!((unwanted.registration.state, unwanted.revision), (State::Removing, 2));
        assert_eq!(unwanted.registration.progress.removing_since, Some(at(9)));
        assert_eq!(unwanted.registration.due_at, Some(at(9)));
        assert!(store.delete_registration(&unwanted).await.unwrap());
        assert_eq!(store.connection(connection.id).await.unwrap().is_some(), remain);
    }
    assert_eq!(store.next_task_at("refresh github").await.unwrap(), None);
    assert!(store.connection(anew.connection.id).await.unwrap().is_some());
}

pub(crate) async fn of_the_last_two_removed_at_once_one_takes_the_connection_along(store: &dyn Store) {
    let make = &mut Make::new();
    for _ in 0..10 {
        let (connection, registrations) = connected(store, make).await;
        let id = connection.connection.id;
        assert!(store.remove_connection(id, "", at(9)).await.unwrap());
        let unwanted = registrations.map(|stored| StoredRegistration { revision: 2, ..stored });
        let deleted = join_all(unwanted.iter().map(|stored| store.delete_registration(stored))).await;
        assert!(deleted.into_iter().all(|deleted| deleted.unwrap()));
        assert_eq!(store.connection(id).await.unwrap(), None);
    }
}
