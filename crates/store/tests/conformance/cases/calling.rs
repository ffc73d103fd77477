//! Calling: what a store owes to whoever calls it, whatever the call is.

use futures::future::select;
use store::Store;

use crate::make::{Make, at, owing, plain};
use crate::steps::{keep, subscribe};

/// A caller may go away in the middle of a call. Then its append has happened as a whole or not at all, and the next
/// caller notices nothing.
pub(crate) async fn an_abandoned_append_is_whole_or_nothing(store: &dyn Store) {
    let make = &mut Make::new();
    let subscription = subscribe(store, make).await;
    for patience in 0..200 {
        let event = make.event(at(1));
        let owed = make.owed(&event, &subscription);
        let append = keep(store, vec![owing(event.clone(), vec![owed.clone()])]);
        select(Box::pin(append), Box::pin(yields(patience))).await;
        let next = make.event(at(2));
        keep(store, vec![plain(next.clone())]).await;
        assert!(store.event(next.id).await.unwrap().is_some());
        // It may yet happen between any two of these, but only as a whole.
        let was_owed = store.delivery(owed.id).await.unwrap().is_some();
        let is_logged = store.event(event.id).await.unwrap().is_some();
        let is_owed = store.delivery(owed.id).await.unwrap().is_some();
        assert!(was_owed <= is_logged && is_logged <= is_owed, "after {patience} yields");
    }
}

async fn yields(count: usize) {
    for _ in 0..count {
        tokio::task::yield_now().await;
    }
}

pub(crate) async fn statements_are_counted(store: &dyn Store) {
    let count = || store.statements().iter().map(|(_, count)| count).sum::<u64>();
    let before = count();
    store.routes_version().await.unwrap();
    let after_one = count();
    assert!(after_one > before);
    keep(store, vec![plain(Make::new().event(at(1)))]).await;
    assert!(count() > after_one);
}
