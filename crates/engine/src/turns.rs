//! Turns at something that only a few can do at once, shared fairly between users.
//!
//! Whoever asks waits in one line. A user has no more places in it than there are turns, and their others wait behind
//! them: so nobody ever has more than that of another's before them, however much the other asks for.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;

use domain::UserId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// So many turns at once.
#[derive(Debug)]
pub(crate) struct Turns {
    line: Arc<Semaphore>,
    /// Those in the line. `None`: the operator.
    places: Places<Option<UserId>>,
}

/// A turn, until it is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    // In this order: who takes the user's place next finds the turn free.
    _turn: OwnedSemaphorePermit,
    _place: OwnedSemaphorePermit,
}

impl Turns {
    /// As many at once as there are cores.
    pub(crate) fn of_cores() -> Self {
        Self::new(thread::available_parallelism().map_or(1, usize::from))
    }

    pub(crate) fn new(at_once: usize) -> Self {
        Self { line: Arc::new(Semaphore::new(at_once)), places: Places::new(at_once) }
    }

    /// Waits for a turn of `user`'s. `None` is never answered: nobody closes the line.
    pub(crate) async fn take(&self, user: Option<&UserId>) -> Option<Turn> {
        let place = self.places.take(&user.cloned()).await;
        let turn = Arc::clone(&self.line).acquire_owned().await.ok()?;
        Some(Turn { _turn: turn, _place: place })
    }
}

/// So many places for each of those who want one.
#[derive(Debug)]
pub(crate) struct Places<K> {
    of_each: usize,
    /// While anybody has or wants one.
    wanted: Mutex<HashMap<K, Weak<Semaphore>>>,
}

impl<K: Clone + Eq + Hash> Places<K> {
    pub(crate) fn new(of_each: usize) -> Self {
        Self { of_each, wanted: Mutex::default() }
    }

    /// Waits for a place of `whose`; whoever came first has it first.
    pub(crate) async fn take(&self, whose: &K) -> OwnedSemaphorePermit {
        self.of(whose).acquire_owned().await.expect("nobody closes it")
    }

    fn of(&self, whose: &K) -> Arc<Semaphore> {
        let mut wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = wanted.get(whose).and_then(Weak::upgrade) {
            return known;
        }
        // Those that nobody has or wants any more are forgotten when somebody new comes.
        wanted.retain(|_, places| places.strong_count() > 0);
        let new = Arc::new(Semaphore::new(self.of_each));
        wanted.insert(whose.clone(), Arc::downgrade(&new));
        new
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures::FutureExt as _;

    use super::*;

    fn user(name: &str) -> Option<UserId> {
        Some(name.parse().unwrap())
    }

    #[tokio::test]
    async fn one_users_many_do_not_stand_before_anothers_one() {
        let turns = Turns::new(2);
        let (many, one) = (user("many"), user("one"));
        let first = [turns.take(many.as_ref()).await, turns.take(many.as_ref()).await];
        let mut waiting: Vec<_> = (0..50).map(|_| Box::pin(turns.take(many.as_ref()))).collect();
        assert!(waiting.iter_mut().all(|waiting| waiting.as_mut().now_or_never().is_none()));
        let mut other = pin!(turns.take(one.as_ref()));
        assert!(other.as_mut().now_or_never().is_none());
        drop(first);
        let others = other.as_mut().now_or_never();
        assert!(others.flatten().is_some(), "the next turn is the other's");
        let served = waiting.iter_mut().filter_map(|waiting| waiting.as_mut().now_or_never().flatten());
        assert_eq!(served.take(1).count(), 1, "and nobody is forgotten");
    }

    #[tokio::test]
    async fn a_user_alone_has_all_turns_and_leaves_nothing_behind() {
        let turns = Turns::new(3);
        let all = [turns.take(None).await, turns.take(None).await, turns.take(None).await];
        assert!(all.iter().all(Option::is_some));
        assert!(turns.take(None).now_or_never().is_none());
        drop(all);
        assert!(turns.take(user("a").as_ref()).await.is_some());
        assert_eq!(turns.places.wanted.lock().unwrap().len(), 1, "of those who have gone");
    }
}
