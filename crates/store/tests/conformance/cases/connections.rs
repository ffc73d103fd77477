//! Connections: one for each user and account, written whole, and never without what is due for them.

use domain::connection::{Refresh, Settings, State};
use store::{Due, Page, Store, StoredConnection};

use super::tasks::{KIND, claim};
use crate::make::{Make, at, user};

/// Adds `count` connections, the first made first.
async fn created(store: &dyn Store, count: i64) -> Vec<StoredConnection> {
    let make = &mut Make::new();
    let connections: Vec<_> = (1..=count).map(|second| make.connection(at(second))).collect();
    for connection in &connections {
        assert!(store.create_connection(connection, &[]).await.unwrap());
    }
    connections
}

pub(crate) async fn a_connection_comes_back_as_it_was_written(store: &dyn Store) {
    let mut stored = Make::new().connection(at(1));
    let connection = &mut stored.connection;
    connection.state = State::Degraded;
    connection.state_reason = Some("the provider is away".to_owned());
    connection.scopes = vec!["repo".to_owned(), "read:user".to_owned()];
    connection.expires_at = Some(at(3_600));
    connection.refresh = Refresh { failures: 3, begun_at: Some(at(7)) };
    connection.settings = Settings { poll_seconds: Some(60), push: Some(false) };
    connection.last_sync_at = Some(at(9));
    assert!(store.create_connection(&stored, &[]).await.unwrap());
    assert_eq!(store.connection(stored.connection.id).await.unwrap(), Some(stored));
}

pub(crate) async fn an_account_is_connected_once_by_each_user(store: &dyn Store) {
    let make = &mut Make::new();
    let first = make.connection(at(1));
    let due = [Due { kind: KIND.to_owned(), at: Some(at(1)) }];
    assert!(store.create_connection(&first, &due).await.unwrap());
    let mut again = make.connection(at(2));
    again.connection.account_id.clone_from(&first.connection.account_id);
    assert!(!store.create_connection(&again, &due).await.unwrap());
    assert_eq!(store.connection(again.connection.id).await.unwrap(), None);
    assert_eq!(claim(store, 10, at(1)).await.len(), 1, "nothing is due for what is not there");
    again.connection.user_id = user("bob");
    assert!(store.create_connection(&again, &[]).await.unwrap());
}

pub(crate) async fn a_connection_is_changed_on_top_of_what_was_seen(store: &dyn Store) {
    let [stored] = created(store, 1).await.try_into().unwrap();
    let mut changed = stored.clone();
    changed.connection.state = State::NeedsReauth;
    changed.connection.state_reason = Some("invalid_grant".to_owned());
    changed.connection.updated_at = at(5);
    changed.sealed_tokens = vec![1];
    let due = |second| [Due { kind: KIND.to_owned(), at: Some(at(second)) }];
    assert!(store.change_connection(&changed, &due(100)).await.unwrap());
    assert!(!store.change_connection(&changed, &due(1)).await.unwrap(), "that was on top of the first");
    let expected = StoredConnection { revision: stored.revision + 1, ..changed };
    assert_eq!(store.connection(stored.connection.id).await.unwrap(), Some(expected));
    assert_eq!(store.next_task_at(KIND).await.unwrap(), Some(at(100)), "what came too late moved nothing");
}

pub(crate) async fn settings_are_written_beside_whatever_changes_a_connection(store: &dyn Store) {
    let [stored] = created(store, 1).await.try_into().unwrap();
    let id = stored.connection.id;
    let settings = Settings { poll_seconds: Some(0), push: None };
    let due = [Due { kind: KIND.to_owned(), at: Some(at(7)) }];
    assert!(store.treat_connection(id, (&settings, at(5)), &due).await.unwrap());
    assert_eq!(store.next_task_at(KIND).await.unwrap(), Some(at(7)));
    let mut changed = stored.clone();
    changed.connection.state = State::Degraded;
    assert!(store.change_connection(&changed, &[]).await.unwrap(), "it has overtaken nobody");
    let now = store.connection(id).await.unwrap().unwrap();
    assert_eq!((now.connection.settings, now.connection.state), (settings, State::Degraded));
    assert!(store.delete_connection(id).await.unwrap());
    assert!(!store.treat_connection(id, (&settings, at(5)), &due).await.unwrap());
    assert_eq!(store.next_task_at(KIND).await.unwrap(), None);
}

pub(crate) async fn a_removed_connection_takes_its_tasks_along(store: &dyn Store) {
    let make = &mut Make::new();
    let (kept, removed) = (make.connection(at(1)), make.connection(at(2)));
    for (connection, second) in [(&kept, 50), (&removed, 10)] {
        let due = [Due { kind: KIND.to_owned(), at: Some(at(second)) }];
        assert!(store.create_connection(connection, &due).await.unwrap());
    }
    assert!(store.delete_connection(removed.connection.id).await.unwrap());
    assert!(!store.delete_connection(removed.connection.id).await.unwrap(), "it is gone already");
    assert!(!store.change_connection(&removed, &[]).await.unwrap());
    assert_eq!(store.connection(removed.connection.id).await.unwrap(), None);
    assert_eq!(store.next_task_at(KIND).await.unwrap(), Some(at(50)));
}

pub(crate) async fn connections_are_listed_from_the_newest(store: &dyn Store) {
    let mut connections = created(store, 5).await;
    let mut others = Make::new().connection(at(100));
    others.connection.user_id = user("bob");
    assert!(store.create_connection(&others, &[]).await.unwrap());
    connections.reverse();
    let alice = user("alice");
    assert_eq!(store.connections(Some(&alice), &Page::first(10)).await.unwrap(), connections);
    assert_eq!(store.connections(None, &Page::first(10)).await.unwrap().len(), 6);
    let page = Page { before: Some(connections[1].connection.id), limit: 2 };
    assert_eq!(store.connections(Some(&alice), &page).await.unwrap(), connections[2..4]);
}

pub(crate) async fn whoever_has_an_account_is_found_by_it(store: &dyn Store) {
    let make = &mut Make::new();
    let first = make.connection(at(1));
    let mut second = make.connection(at(2));
    second.connection.account_id.clone_from(&first.connection.account_id);
    second.connection.user_id = user("bob");
    let other = make.connection(at(3));
    for connection in [&first, &second, &other] {
        assert!(store.create_connection(connection, &[]).await.unwrap());
    }
    let account = first.connection.account_id.clone();
    assert_eq!(store.connections_to("github", &account).await.unwrap(), [first, second]);
    assert_eq!(store.connections_to("slack", &account).await.unwrap(), []);
}
