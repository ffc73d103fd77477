//! A connection as others reach it: its session, and the way out to its client. Its own task shares them with whoever goes
//! round.

use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::crier::{Crier, Tally, Turn};
use super::ephemera::Marks;
use super::frame::{Bye, Frame};
use super::session::{Moment, Session};
use super::stream::End;
use super::tail::{Ahead, Tail};

/// The way out to a client. Nothing in it waits for the client, so anybody may send on it.
pub trait Outlet: Debug + Send + Sync {
    /// Sends frames. What the system does not take at once stays here, before all that follows.
    ///
    /// # Errors
    /// The client has gone.
    fn send(&self, frames: &[Frame]) -> Result<Sent, Gone>;

    /// Whether nothing has stayed here.
    fn is_clear(&self) -> bool;
}

/// How much the system has taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Sent {
    /// All.
    Whole,
    /// Not all: who sends more now would have it grow.
    InPart,
}

/// The client has gone.
#[derive(Debug, Clone, Copy)]
pub struct Gone;

/// One connection.
#[derive(Debug)]
pub(crate) struct Line {
    /// Its name.
    pub(super) connection: u64,
    /// What it says is sent before it is let go: frames name the one before them.
    session: Mutex<Session>,
    outlet: Arc<dyn Outlet>,
    bell: Notify,
}

impl Line {
    pub(super) fn new(connection: u64, session: Session, outlet: Arc<dyn Outlet>) -> Self {
        Self { connection, session: Mutex::new(session), outlet, bell: Notify::new() }
    }

    /// Its session, which says nothing meanwhile.
    pub(super) fn session(&self) -> MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether everything that was said has been sent.
    pub(super) fn is_clear(&self) -> bool {
        self.outlet.is_clear()
    }

    /// Rings for the connection's own task.
    pub(super) fn ring(&self) {
        self.bell.notify_one();
    }

    /// Waits until it is rung for, if it has not been since the last time.
    pub(super) async fn rung(&self) {
        self.bell.notified().await;
    }

    /// Shows what is new as long as nothing has to be waited for; otherwise it rings for the connection's own task.
    pub(super) fn serve(&self, marks: Marks, turn: &mut Turn<'_>) {
        if !self.show_at_once(marks, turn) {
            self.ring();
        }
    }

    /// Whether all that is new was shown.
    fn show_at_once(&self, marks: Marks, turn: &mut Turn<'_>) -> bool {
        let mut session = self.session();
        if !session.has_caught_up() || !self.is_clear() {
            // Its own task is about it already, or is now.
            return false;
        }
        if !session.is_behind(marks) {
            return true;
        }
        if session.has_expired(turn.now) {
            return false;
        }
        let Some(ahead) = turn.news.after(session.position(), session.scope()) else { return false };
        let sent = self.send_ahead(&mut session, ahead, turn.now, &mut turn.tally);
        matches!(sent, Ok(None | Some(Sent::Whole))) && session.has_caught_up()
    }

    /// What the tail holds ahead; `None` where it does not go back so far.
    pub(super) fn look_ahead(&self, tail: &Tail) -> Option<Ahead> {
        // The tail first, as whoever goes round does.
        let news = tail.read();
        let session = self.session();
        news.after(session.position(), session.scope())
    }

    /// Shows what lies ahead; `None` where that is nothing of this connection's.
    ///
    /// # Errors
    /// The client has gone.
    pub(super) fn show(&self, ahead: Ahead, crier: &Crier) -> Result<Option<Sent>, Gone> {
        let mut tally = Tally::default();
        let sent = self.send_ahead(&mut self.session(), ahead, crier.moment(), &mut tally)?;
        crier.count_events(tally);
        Ok(sent)
    }

    fn send_ahead(
        &self,
        session: &mut Session,
        ahead: Ahead,
        now: Moment,
        tally: &mut Tally,
    ) -> Result<Option<Sent>, Gone> {
        let was_behind = !session.has_caught_up();
        let frames = session.show(ahead, now);
        if frames.is_empty() {
            return Ok(None);
        }
        let sent = self.outlet.send(&frames)?;
        tally.add(&frames, was_behind);
        Ok(Some(sent))
    }

    /// Sends what the session says.
    ///
    /// # Errors
    /// It says that the stream ends, or the client has gone.
    pub(super) fn say(
        &self,
        say: impl FnOnce(&mut Session) -> Result<Vec<Frame>, Bye>,
        crier: &Crier,
    ) -> Result<(), End> {
        let mut session = self.session();
        let frames = say(&mut session)?;
        if !frames.is_empty() {
            let _whole = self.outlet.send(&frames)?;
            crier.count(&frames);
        }
        Ok(())
    }

    /// Shows nothing from here on: the last frame is the task's to send.
    pub(super) fn hang_up(&self) {
        self.session().withdraw();
    }
}

#[cfg(test)]
impl Line {
    /// One that is only there.
    pub(super) fn to_nobody(scope: &super::Scope) -> Arc<Self> {
        use std::time::Duration;

        use domain::{Access, Timestamp};
        use rand::RngExt as _;
        use store::Position;

        use super::{From, Grant};

        let connection = crate::chance::rng().random();
        let now = Moment { time: Timestamp::from_seconds(0), elapsed: Duration::ZERO };
        let (grant, known) = (Grant::of(Access::Admin), (Position::START, Position::START));
        let (session, _ready) =
            Session::open((connection, Duration::ZERO), &grant, scope.clone(), From::Now, known, now);
        Arc::new(Self::new(connection, session, Arc::new(tests::Client::default())))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use domain::{Access, Timestamp};
    use futures::FutureExt as _;
    use store::{Logged, Position};

    use super::*;
    use crate::realtime::metrics::Figures;
    use crate::realtime::tail::Entry;
    use crate::realtime::{Cursor, From, Grant};
    use crate::testing::{ManualClock, event};

    /// A client who takes all until it is told not to.
    #[derive(Debug, Default)]
    pub(super) struct Client {
        given: Mutex<Vec<Cursor>>,
        is_slow: AtomicBool,
    }

    impl Client {
        fn given(&self) -> Vec<i64> {
            self.given.lock().unwrap().iter().map(|cursor| cursor.0.0).collect()
        }
    }

    impl Outlet for Client {
        fn send(&self, frames: &[Frame]) -> Result<Sent, Gone> {
            self.given.lock().unwrap().extend(frames.iter().filter_map(Frame::cursor));
            Ok(if self.is_clear() { Sent::Whole } else { Sent::InPart })
        }

        fn is_clear(&self) -> bool {
            !self.is_slow.load(Ordering::Relaxed)
        }
    }

    /// A line of the operator's that is good for ten seconds, and a crier of events that come one by one.
    struct Scene {
        clock: Arc<ManualClock>,
        crier: Crier,
        client: Arc<Client>,
        line: Line,
        cried: i64,
    }

    impl Scene {
        fn new() -> Self {
            let clock = Arc::new(ManualClock::default());
            let crier = Crier::new(
                Tail::new(Position::START),
                Arc::<ManualClock>::clone(&clock),
                Arc::<Figures>::default(),
            );
            let mut grant = Grant::of(Access::Admin);
            grant.expires_at = Some(Timestamp::from_seconds(10));
            let scope = grant.scope(None, Vec::new()).unwrap();
            let (heartbeat, known) = (Duration::from_secs(25), (Position::START, Position::START));
            let (session, _ready) =
                Session::open((1, heartbeat), &grant, scope, From::Now, known, crier.moment());
            let client = Arc::<Client>::default();
            let line = Line::new(1, session, Arc::<Client>::clone(&client));
            let scene = Self { clock, crier, client, line, cried: 0 };
            let nothing = scene.line.look_ahead(&scene.crier.tail).unwrap();
            assert!(scene.line.show(nothing, &scene.crier).unwrap().is_none());
            scene
        }

        /// Serves the line with one more event; whether its own task was rung for.
        fn cry(&mut self) -> bool {
            let before = Position(self.cried);
            self.cried += 1;
            let (position, event) =
                (Position(self.cried), Arc::new(event("a.b", Timestamp::from_seconds(1))));
            self.crier.tail.push(vec![Arc::new(Entry::from(Logged { position, event }))], position);
            let marks = Marks { latest: position, before, from: before };
            self.line.serve(marks, &mut self.crier.turn());
            self.line.rung().now_or_never().is_some()
        }
    }

    #[test]
    fn who_takes_what_is_sent_is_served_without_being_woken() {
        let mut scene = Scene::new();
        assert!(!scene.cry() && !scene.cry());
        assert_eq!(scene.client.given(), [1, 2]);
    }

    #[test]
    fn who_does_not_take_all_is_given_no_more_until_its_task_has_seen_to_it() {
        let mut scene = Scene::new();
        scene.client.is_slow.store(true, Ordering::Relaxed);
        assert!(scene.cry() && scene.cry());
        assert_eq!(scene.client.given(), [] as [i64; 0]);
        scene.client.is_slow.store(false, Ordering::Relaxed);
        assert!(!scene.cry());
        assert_eq!(scene.client.given(), [1, 2, 3], "nothing was missed");
    }

    #[test]
    fn whose_token_has_ended_is_shown_nothing_and_is_woken_to_leave() {
        let mut scene = Scene::new();
        scene.clock.move_by(Duration::from_secs(10));
        assert!(scene.cry());
        assert_eq!(scene.client.given(), [] as [i64; 0]);
    }

    #[test]
    fn who_has_hung_up_is_shown_nothing() {
        let mut scene = Scene::new();
        scene.line.hang_up();
        let _nobody_hears = scene.cry();
        assert_eq!(scene.client.given(), [] as [i64; 0]);
    }
}
