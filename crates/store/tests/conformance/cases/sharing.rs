//! Sharing: two nodes with one database are to each other as two callers of one store.

use std::cell::Cell;
use std::collections::BTreeSet;

use domain::delivery::State;
use futures::future::{join, join_all};
use store::{Appended, Store};

use super::claiming::claim_all;
use super::log::{follow, work_for, write};
use super::tasks::{claim_until_none, due_for};
use crate::engines::Engine;
use crate::make::{Make, append_of, at, becomes, by_node, change, lane, plain};
use crate::steps::{current, keep, owe, owe_and_claim, subscribe, version, whole_log};

async fn two_nodes<E: Engine>(engine: &E) -> (E::Store, E::Store) {
    let (one, other) = (engine.open().await, engine.open().await);
    assert!(one.is_shared());
    (one, other)
}

async fn close(one: &dyn Store, other: &dyn Store) {
    one.close().await;
    other.close().await;
}

pub(crate) async fn what_one_node_keeps_the_other_sees<E: Engine>(engine: &E) {
    let make = &mut Make::new();
    let (one, other) = two_nodes(engine).await;
    let subscription = subscribe(&one, make).await;
    let claimed = owe_and_claim(&one, make, &subscription).await;
    assert_eq!(whole_log(&other).await, whole_log(&one).await);
    assert_eq!(current(&other, claimed.id).await, claimed);

    let done = becomes(&claimed, State::Success, Some(at(2)));
    assert_eq!(one.change(&[change(&claimed, done.clone())]).await.unwrap(), [true]);
    assert_eq!(other.change(&[change(&claimed, done)]).await.unwrap(), [false]);
    close(&one, &other).await;
}

pub(crate) async fn a_note_reaches_who_listens_at_any_node<E: Engine>(engine: &E) {
    let (one, other) = two_nodes(engine).await;
    let (mut here, mut there) = (one.notes().await.unwrap(), other.notes().await.unwrap());
    one.pass_note("from one").await.unwrap();
    other.pass_note("from the other").await.unwrap();
    for notes in [&mut here, &mut there] {
        let heard = [notes.next().await.unwrap(), notes.next().await.unwrap()];
        assert_eq!(BTreeSet::from(heard), ["from one", "from the other"].map(str::to_owned).into());
    }
    close(&one, &other).await;
}

pub(crate) async fn a_change_of_routes_reaches_the_other_node<E: Engine>(engine: &E) {
    let make = &mut Make::new();
    let (one, other) = two_nodes(engine).await;
    let stale = version(&other).await;
    keep(&other, vec![plain(make.event(at(1)))]).await;
    subscribe(&one, make).await;
    let new = append_of(vec![plain(make.event(at(1)))]);
    assert_eq!(other.append([new].into(), stale, at(1)).await.unwrap(), Appended::StaleRoutes);
    close(&one, &other).await;
}

pub(crate) async fn a_delivery_goes_to_one_node<E: Engine>(engine: &E) {
    let make = &mut Make::new();
    let (one, other) = two_nodes(engine).await;
    let (first, second) = (subscribe(&one, make).await, subscribe(&one, make).await);
    let mut owed = owe(&one, make, &first, 100).await;
    owed.extend(owe(&one, make, &second, 100).await);
    let lanes = [lane(&first, 3), lane(&second, 4)];
    let (by_one, by_other) = (by_node(make.node(), at(900)), by_node(make.node(), at(900)));
    let (mut claimed, rest) =
        join(claim_all(&one, lanes, &by_one), claim_all(&other, lanes, &by_other)).await;
    claimed.extend(rest);
    assert_eq!(claimed.len(), 200);
    assert_eq!(claimed.iter().map(|delivery| delivery.id).collect::<BTreeSet<_>>().len(), 200);
    close(&one, &other).await;
}

pub(crate) async fn of_three_nodes_each_task_goes_to_one<E: Engine>(engine: &E) {
    let (one, other) = two_nodes(engine).await;
    let third = engine.open().await;
    let tasks = due_for(&one, 60).await;
    let claimed = join_all([&one, &other, &third].map(|node| claim_until_none(node))).await.concat();
    assert_eq!(claimed.len(), tasks.len());
    assert_eq!(claimed.iter().map(|task| task.subject.clone()).collect::<BTreeSet<_>>(), tasks);
    third.close().await;
    close(&one, &other).await;
}

pub(crate) async fn a_reader_steps_over_nothing_that_another_node_writes<E: Engine>(engine: &E) {
    let make = &mut Make::new();
    let (one, other) = two_nodes(engine).await;
    let work = work_for(8, make);
    let written: BTreeSet<_> = work.iter().flatten().flatten().map(|new| new.event.id).collect();
    let is_done = Cell::new(false);
    let writers = async {
        let nodes = [&one, &other].into_iter().cycle();
        join_all(work.into_iter().zip(nodes).map(|(batches, node)| write(node, batches))).await;
        is_done.set(true);
    };
    let (read, ()) = join(follow(&other, &is_done), writers).await;
    assert!(read.iter().map(|logged| logged.position.0).eq(1..=written.len() as i64));
    assert_eq!(read.iter().map(|logged| logged.event.id).collect::<BTreeSet<_>>(), written);
    close(&one, &other).await;
}
