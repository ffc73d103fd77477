//! What is under way goes on, whatever happens beside it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use domain::connection::{self, Refresh, State};
use domain::{Connection, ConnectionId, Timestamp};
use store::model::Model;
use store::{Due, StoredConnection};
use tokio::sync::Semaphore;

use super::*;
use crate::chance;
use crate::testing::ManualClock;

const KIND: &str = "test";
const NOON: Timestamp = Timestamp::from_seconds(43_200);

/// A store with tasks, a clock, and what has become of each task.
struct World {
    store: Model,
    clock: ManualClock,
    bell: Notify,
    stopping: CancellationToken,
    /// By subject, once it has begun: it ends when there is a permit, and is closed once it has.
    begun: Mutex<BTreeMap<String, Arc<Semaphore>>>,
}

impl World {
    fn new() -> Self {
        let clock = ManualClock::default();
        clock.move_by(NOON.since(Timestamp::from_seconds(0)));
        Self {
            store: Model::new(),
            clock,
            bell: Notify::new(),
            stopping: CancellationToken::new(),
            begun: Mutex::default(),
        }
    }

    /// Adds a task that is due; its subject.
    async fn add(&self) -> String {
        let id = ConnectionId::new(NOON, &mut chance::rng());
        let connection = Connection {
            id,
            user_id: "alice".parse().unwrap(),
            provider: "github".to_owned(),
            account_id: id.to_string(),
            state: State::Active,
            state_reason: None,
            scopes: Vec::new(),
            expires_at: None,
            authorized_at: NOON,
            refresh: Refresh::default(),
            settings: connection::Settings::default(),
            last_sync_at: None,
            removed_at: None,
            created_at: NOON,
            updated_at: NOON,
        };
        let stored = StoredConnection { connection, sealed_tokens: Vec::new(), revision: 1 };
        let due = Due { kind: KIND.to_owned(), at: Some(NOON) };
        assert!(self.store.create_connection(&stored, &[due]).await.unwrap());
        id.to_string()
    }

    fn tasks(&self, at_once: usize) -> Tasks<'_> {
        Tasks { store: &self.store, clock: &self.clock, kind: KIND.to_owned(), at_once, together: 1 }
    }

    fn looks(&self) -> Looks<'_> {
        let (every, apart) = (Duration::from_secs(3_600), Duration::from_millis(1));
        Looks { every, apart, bell: &self.bell, stopping: &self.stopping }
    }

    /// A task that ends when [`World::end`] says so.
    async fn run(&self, task: Task) {
        let gate = Arc::new(Semaphore::new(0));
        self.begun.lock().unwrap().insert(task.subject.clone(), Arc::clone(&gate));
        gate.acquire().await.unwrap().forget();
        gate.close();
    }

    fn gate(&self, subject: &str) -> Option<Arc<Semaphore>> {
        self.begun.lock().unwrap().get(subject).cloned()
    }

    fn has_begun(&self, subject: &str) -> bool {
        self.gate(subject).is_some()
    }

    fn end(&self, subject: &str) {
        self.gate(subject).expect("it has begun").add_permits(1);
    }

    fn has_ended(&self, subject: &str) -> bool {
        self.gate(subject).is_some_and(|gate| gate.is_closed())
    }
}

/// Lets everything go on that can.
async fn settled() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

/// Runs `script` beside `running`, which is not to end before it.
async fn beside<T>(running: impl Future<Output = T>, script: impl Future<Output = ()>) -> T {
    let mut running = pin!(running);
    tokio::select! {
        biased;
        _ended = &mut running => panic!("it has ended too soon"),
        () = script => {}
    }
    running.await
}

#[tokio::test]
async fn where_no_more_can_be_claimed_what_is_under_way_ends_first() {
    let world = World::new();
    let (first, second) = (world.add().await, world.add().await);
    world.store.fail("claim_tasks", 1..u64::MAX);
    let tasks = world.tasks(2);
    let running = tasks.run_due(|task| world.run(task));
    let looked = beside(running, async {
        settled().await;
        world.end(&first);
        settled().await;
        assert!(world.has_ended(&first) && !world.has_ended(&second));
        world.end(&second);
    });
    assert!(looked.await.is_err());
    assert!(world.has_ended(&second));
}

#[tokio::test]
async fn one_that_panics_ends_no_other() {
    let world = World::new();
    let (one, other) = (world.add().await, world.add().await);
    let tasks = world.tasks(2);
    let running = tasks.run_due(|task| async {
        assert_ne!(task.subject, one, "a bug");
        world.run(task).await;
    });
    let looked = beside(running, async {
        settled().await;
        world.end(&other);
    });
    assert!(looked.await.is_ok());
    assert!(world.has_ended(&other) && !world.has_begun(&one));
}

#[tokio::test]
async fn one_that_hangs_holds_up_no_other() {
    let world = World::new();
    let hangs = world.add().await;
    let (tasks, looks) = (world.tasks(2), world.looks());
    let running = tasks.keep_running(&looks, |task| world.run(task));
    beside(running, async {
        settled().await;
        assert!(world.has_begun(&hangs));
        // Known of by the bell, and on another node, which rings none here.
        let rung_for = world.add().await;
        world.bell.notify_waiters();
        settled().await;
        assert!(world.has_begun(&rung_for));
        world.end(&rung_for);
        settled().await;
        let elsewhere = world.add().await;
        tokio::time::pause();
        tokio::time::sleep(TASKS_LOOKED_FOR_BESIDE_OTHERS_EVERY * 2).await;
        assert!(world.has_begun(&elsewhere));
        assert!(!world.has_ended(&hangs));
        [hangs, elsewhere].iter().for_each(|subject| world.end(subject));
        world.stopping.cancel();
    })
    .await;
}

#[tokio::test]
async fn all_but_one_that_hang_leave_that_one_to_all_others() {
    let world = World::new();
    let hang = [world.add().await, world.add().await];
    let (tasks, looks) = (world.tasks(3), world.looks());
    let running = tasks.keep_running(&looks, |task| world.run(task));
    beside(running, async {
        settled().await;
        let others = [world.add().await, world.add().await, world.add().await];
        world.bell.notify_waiters();
        for _ in &others {
            settled().await;
            let next = others.iter().find(|it| world.has_begun(it) && !world.has_ended(it));
            world.end(next.expect("another has begun"));
        }
        settled().await;
        assert!(others.iter().all(|it| world.has_ended(it)) && !hang.iter().any(|it| world.has_ended(it)));
        hang.iter().for_each(|it| world.end(it));
        world.stopping.cancel();
    })
    .await;
}

#[tokio::test]
async fn told_to_stop_it_begins_with_nothing_and_ends_what_has_begun() {
    let world = World::new();
    let begun = world.add().await;
    let (tasks, looks) = (world.tasks(2), world.looks());
    let running = tasks.keep_running(&looks, |task| world.run(task));
    let late = async {
        settled().await;
        world.stopping.cancel();
        settled().await;
        let late = world.add().await;
        world.bell.notify_waiters();
        settled().await;
        assert!(!world.has_begun(&late));
        world.end(&begun);
    };
    beside(running, late).await;
    assert!(world.has_ended(&begun));
}

#[tokio::test]
async fn no_more_are_under_way_than_may_be_at_once() {
    let world = World::new();
    let mut subjects = Vec::new();
    for _ in 0..7 {
        subjects.push(world.add().await);
    }
    let tasks = world.tasks(3);
    let running = tasks.run_due(|task| world.run(task));
    let under_way = || -> Vec<String> {
        subjects.iter().filter(|it| world.has_begun(it) && !world.has_ended(it)).cloned().collect()
    };
    let script = async {
        for left in (1..=subjects.len()).rev() {
            settled().await;
            assert!((1..=left.min(3)).contains(&under_way().len()), "{:?} of {left}", under_way());
            world.end(&under_way()[0]);
        }
    };
    let all = async { tokio::join!(running, script) };
    let (looked, ()) = tokio::time::timeout(Duration::from_secs(60), all).await.expect("within a minute");
    assert!(looked.is_ok() && subjects.iter().all(|subject| world.has_ended(subject)));
}
