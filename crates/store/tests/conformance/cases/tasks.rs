//! Tasks: what is due is done once, and what its claimant leaves undone falls due again.

use std::collections::BTreeSet;

use domain::Timestamp;
use futures::future::join_all;
use store::{Due, Store, Task};

use crate::make::{Make, at};

pub(crate) const KIND: &str = "refresh";

/// Claims what is due at `now`, for a minute.
pub(crate) async fn claim(store: &dyn Store, limit: u32, now: Timestamp) -> Vec<Task> {
    store.claim_tasks(KIND, limit, now, now.plus(std::time::Duration::from_secs(60))).await.unwrap()
}

/// Makes `count` tasks: the first is due at second 1, the second at second 2, and so on. Whose they are, in that order.
async fn due(store: &dyn Store, count: i64) -> Vec<String> {
    let make = &mut Make::new();
    let mut subjects = Vec::new();
    for second in 1..=count {
        let connection = make.connection(at(second));
        subjects.push(connection.connection.id.to_string());
        let due = [
            Due { kind: KIND.to_owned(), at: Some(at(second)) },
            Due { kind: "poll".to_owned(), at: Some(at(0)) },
        ];
        assert!(store.create_connection(&connection, &due).await.unwrap());
    }
    subjects
}

pub(crate) async fn due_for(store: &dyn Store, count: i64) -> BTreeSet<String> {
    due(store, count).await.into_iter().collect()
}

/// Claims a few at a time, as a node does, until there is nothing more.
pub(crate) async fn claim_until_none(store: &dyn Store) -> Vec<Task> {
    let mut all = Vec::new();
    loop {
        let claimed = claim(store, 7, at(1_000)).await;
        if claimed.is_empty() {
            return all;
        }
        all.extend(claimed);
    }
}

pub(crate) async fn what_is_due_is_claimed_the_longest_due_first(store: &dyn Store) {
    let subjects = due(store, 5).await;
    let mut claimed: Vec<_> = claim(store, 2, at(4)).await.into_iter().map(|task| task.subject).collect();
    claimed.sort_by_key(|subject| subjects.iter().position(|known| known == subject));
    assert_eq!(claimed, subjects[..2], "which are the first two, in whatever order");
    let rest = claim(store, 10, at(4)).await;
    assert_eq!(rest.len(), 2, "the fifth is not due yet");
    assert!(rest.iter().all(|task| task.kind == KIND && task.memory.is_empty()));
}

pub(crate) async fn a_claim_that_lapses_is_claimed_again_and_fences_the_first_off(store: &dyn Store) {
    due(store, 1).await;
    let [first] = claim(store, 10, at(1)).await.try_into().unwrap();
    assert_eq!(claim(store, 10, at(60)).await, [], "it is in somebody's hands");
    let [second] = claim(store, 10, at(61)).await.try_into().unwrap();
    assert!(second.turn > first.turn);
    assert!(!store.settle_task(&first, at(99), "late").await.unwrap());
    assert!(store.settle_task(&second, at(200), "").await.unwrap());
    assert_eq!(claim(store, 10, at(199)).await, []);
}

pub(crate) async fn a_settled_task_remembers_what_it_was_told(store: &dyn Store) {
    due(store, 1).await;
    let [task] = claim(store, 10, at(1)).await.try_into().unwrap();
    assert!(store.settle_task(&task, at(2), "cursor 5").await.unwrap());
    let [again] = claim(store, 10, at(2)).await.try_into().unwrap();
    assert_eq!(again.memory, "cursor 5");
}

pub(crate) async fn moving_a_task_takes_it_from_its_claimant(store: &dyn Store) {
    let mut connection = Make::new().connection(at(1));
    let due = |at| [Due { kind: KIND.to_owned(), at }];
    assert!(store.create_connection(&connection, &due(Some(at(1)))).await.unwrap());
    let [task] = claim(store, 10, at(1)).await.try_into().unwrap();
    assert!(store.change_connection(&connection, &due(Some(at(5)))).await.unwrap());
    assert!(!store.settle_task(&task, at(99), "").await.unwrap());
    let [_] = claim(store, 10, at(5)).await.try_into().unwrap();
    connection.revision += 1;
    assert!(store.change_connection(&connection, &due(None)).await.unwrap());
    assert_eq!(store.next_task_at(KIND).await.unwrap(), None);
}

pub(crate) async fn the_next_time_is_that_of_the_first_task(store: &dyn Store) {
    assert_eq!(store.next_task_at(KIND).await.unwrap(), None);
    due(store, 3).await;
    assert_eq!(store.next_task_at(KIND).await.unwrap(), Some(at(1)));
    claim(store, 1, at(1)).await;
    assert_eq!(store.next_task_at(KIND).await.unwrap(), Some(at(2)), "the first is claimed for a minute");
}

pub(crate) async fn of_eight_claimants_each_task_goes_to_one(store: &dyn Store) {
    let tasks = due_for(store, 60).await;
    let claimed = join_all((0..8).map(|_| claim_until_none(store))).await.concat();
    assert_eq!(claimed.len(), tasks.len());
    assert_eq!(claimed.into_iter().map(|task| task.subject).collect::<BTreeSet<_>>(), tasks);
}

pub(crate) async fn a_sync_ends_while_its_connection_is_authorized(store: &dyn Store) {
    let mut connection = Make::new().connection(at(0));
    let id = connection.connection.id;
    let due = |second| [Due { kind: KIND.to_owned(), at: Some(at(second)) }];
    assert!(store.create_connection(&connection, &due(0)).await.unwrap());
    for second in (0..2_000).step_by(50) {
        let [task] = claim(store, 1, at(second)).await.try_into().unwrap();
        let later = due(second + 50);
        let (is_changed, ended) = futures::join!(
            store.change_connection(&connection, &later),
            store.finish_sync((&task, at(second + 50), ""), (id, at(second)))
        );
        assert!(is_changed.unwrap(), "neither waits for what the other holds");
        ended.unwrap();
        connection.revision += 1;
    }
}

pub(crate) async fn what_is_spent_stays_spent_until_it_expires(store: &dyn Store) {
    assert!(store.spend(&[1; 32], at(60), at(0)).await.unwrap());
    assert!(!store.spend(&[1; 32], at(60), at(1)).await.unwrap());
    let tries = join_all((0..8).map(|_| store.spend(&[2; 32], at(90), at(2)))).await;
    assert_eq!(tries.into_iter().filter(|spent| *spent.as_ref().unwrap()).count(), 1);
    assert!(store.spend(&[3; 32], at(90), at(60)).await.unwrap(), "which forgets the first");
    assert!(store.spend(&[1; 32], at(120), at(61)).await.unwrap());
}

pub(crate) async fn a_ring_is_heard_at_once_or_as_soon_as_the_task_is_settled(store: &dyn Store) {
    let [subject] = due(store, 1).await.try_into().unwrap();
    let [task] = claim(store, 10, at(1)).await.try_into().unwrap();
    assert!(store.settle_task(&task, at(1_000), "").await.unwrap());
    assert!(store.ring_task(KIND, &subject, at(5)).await.unwrap());
    assert!(store.ring_task(KIND, &subject, at(7)).await.unwrap());
    assert_eq!(store.next_task_at(KIND).await.unwrap(), Some(at(5)), "the first ring counts");
    let [task] = claim(store, 10, at(7)).await.try_into().unwrap();
    assert_eq!(task.rings, 2);
    assert!(store.ring_task(KIND, &subject, at(8)).await.unwrap());
    assert_eq!(claim(store, 10, at(8)).await, [], "it is in somebody's hands");
    assert!(store.settle_task(&task, at(1_000), "").await.unwrap());
    let [task] = claim(store, 10, at(9)).await.try_into().unwrap();
    assert_eq!(task.rings, 1, "what came while it was claimed");
    assert!(store.settle_task(&task, at(1_000), "").await.unwrap());
    assert_eq!(store.next_task_at(KIND).await.unwrap(), Some(at(1_000)));
    assert!(!store.ring_task("other", &subject, at(9)).await.unwrap());
}

pub(crate) async fn a_ring_outlives_a_claimant_who_dies(store: &dyn Store) {
    let [subject] = due(store, 1).await.try_into().unwrap();
    assert!(store.ring_task(KIND, &subject, at(1)).await.unwrap());
    claim(store, 10, at(1)).await;
    let [again] = claim(store, 10, at(61)).await.try_into().unwrap();
    assert_eq!(again.rings, 1);
}

pub(crate) async fn a_claim_can_be_kept_for_longer(store: &dyn Store) {
    due(store, 1).await;
    let [task] = claim(store, 10, at(1)).await.try_into().unwrap();
    assert!(store.keep_task(&task, at(100), "half-way").await.unwrap());
    assert_eq!(claim(store, 10, at(99)).await, []);
    let [next] = claim(store, 10, at(100)).await.try_into().unwrap();
    assert_eq!(next.memory, "half-way");
    assert!(!store.keep_task(&task, at(200), "late").await.unwrap());
}

pub(crate) async fn a_finished_sync_is_noted_and_overtakes_nobody(store: &dyn Store) {
    let connection = Make::new().connection(at(1));
    let due = [Due { kind: KIND.to_owned(), at: Some(at(1)) }];
    assert!(store.create_connection(&connection, &due).await.unwrap());
    let [task] = claim(store, 10, at(1)).await.try_into().unwrap();
    let id = connection.connection.id;
    assert!(store.finish_sync((&task, at(9), "5"), (id, at(2))).await.unwrap());
    let synced = store.connection(id).await.unwrap().unwrap();
    assert_eq!((synced.connection.last_sync_at, synced.revision), (Some(at(2)), connection.revision));
    assert!(store.change_connection(&connection, &[]).await.unwrap(), "nobody has changed it");
    let [late] = claim(store, 10, at(9)).await.try_into().unwrap();
    assert!(store.finish_sync((&late, at(20), "6"), (id, at(1))).await.unwrap());
    assert!(!store.finish_sync((&task, at(99), "7"), (id, at(50))).await.unwrap(), "its claim is over");
    let kept = store.connection(id).await.unwrap().unwrap();
    assert_eq!(kept.connection.last_sync_at, Some(at(2)), "it only moves on");
}

pub(crate) async fn a_task_is_dropped_by_its_claimant_unless_somebody_rings(store: &dyn Store) {
    let [subject] = due(store, 1).await.try_into().unwrap();
    let [first] = claim(store, 10, at(1)).await.try_into().unwrap();
    let [second] = claim(store, 10, at(61)).await.try_into().unwrap();
    assert!(!store.drop_task(&first).await.unwrap(), "somebody else has claimed it since");
    assert!(store.ring_task(KIND, &subject, at(62)).await.unwrap());
    assert!(!store.drop_task(&second).await.unwrap());
    assert!(store.settle_task(&second, at(1_000), "").await.unwrap());
    let [third] = claim(store, 10, at(63)).await.try_into().unwrap();
    assert!(store.drop_task(&third).await.unwrap());
    assert!(!store.drop_task(&third).await.unwrap());
    assert_eq!(store.next_task_at(KIND).await.unwrap(), None);
}

pub(crate) async fn a_kind_that_rests_is_claimed_by_nobody(store: &dyn Store) {
    due(store, 2).await;
    let [first] = claim(store, 1, at(1)).await.try_into().unwrap();
    assert!(store.rest_tasks(KIND, at(100), "").await.unwrap());
    assert_eq!(claim(store, 10, at(99)).await, []);
    assert_eq!(store.next_task_at(KIND).await.unwrap(), Some(at(100)));
    assert!(store.settle_task(&first, at(3), "").await.unwrap(), "what was claimed stays so");
    assert_eq!(store.claim_tasks("poll", 10, at(99), at(999)).await.unwrap().len(), 2, "each kind by itself");
    assert_eq!(claim(store, 10, at(100)).await.len(), 2);
    assert_eq!(store.next_task_at("nothing").await.unwrap(), None);
}

pub(crate) async fn a_rest_is_lengthened_and_never_cut_short(store: &dyn Store) {
    due(store, 1).await;
    assert!(store.rest_tasks(KIND, at(100), "").await.unwrap());
    assert!(!store.rest_tasks(KIND, at(50), "").await.unwrap());
    let no_news = at(100).plus(std::time::Duration::from_millis(999));
    assert!(!store.rest_tasks(KIND, no_news, "").await.unwrap(), "it rests until then already");
    assert_eq!(claim(store, 10, at(99)).await, []);
    assert!(store.rest_tasks(KIND, at(200), "").await.unwrap());
    assert_eq!(claim(store, 10, at(199)).await, []);
    assert_eq!(claim(store, 10, at(200)).await.len(), 1);
}

pub(crate) async fn a_rest_ends_with_its_cause(store: &dyn Store) {
    due(store, 1).await;
    assert!(!store.wake_tasks(KIND, "new secret").await.unwrap(), "it does not rest");
    assert!(store.rest_tasks(KIND, at(100), "old secret").await.unwrap());
    assert!(!store.wake_tasks(KIND, "old secret").await.unwrap());
    assert_eq!(claim(store, 10, at(99)).await, []);
    assert!(store.wake_tasks(KIND, "new secret").await.unwrap());
    assert_eq!(claim(store, 10, at(1)).await.len(), 1);
    assert!(store.rest_tasks(KIND, at(300), "").await.unwrap());
    assert!(!store.wake_tasks(KIND, "new secret").await.unwrap(), "that has no cause that could end");
}
