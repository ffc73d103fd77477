//! One connection, from its first frame to its last: feeds the [`Session`] with what happens, and sends what it says. What is
//! new is mostly sent by the [`Crier`]; here it is whenever something has to be waited for.

use std::future::{Future, pending};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use domain::UserId;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use rand::RngExt as _;
use store::StoreError;
use tokio::time::{sleep, timeout};

use super::crier::Crier;
use super::ephemera::Seat;
use super::follow::at_most;
use super::frame::{Ack, Bye, Frame, From, Hello, Lost};
use super::line::{Gone, Line, Outlet};
use super::revoke::Watch;
use super::scope::Grant;
use super::session::{Asked, Greeting, Moment, Session};
use super::tail::{Ahead, batch_of};
use super::{Hub, Place};
use crate::chance;
use crate::limits::{
    BATCH_EVENTS_MAX, HELLO_WITHIN, LEAVING_SPREAD_EACH, LEAVING_SPREAD_MAX, PARTING_TAKES, SLOW_AFTER,
    SLOW_LINGERS, STORE_RETRY_AFTER,
};

/// The bytes of a connection, in and out.
pub trait Wire: Send {
    /// The way out.
    fn outlet(&self) -> Arc<dyn Outlet>;

    /// What the client says next. It pends for ever where it cannot say anything, and may be dropped while it waits.
    fn hear(&mut self) -> impl Future<Output = Heard> + Send;

    /// Waits until the system has taken all that has stayed in the outlet. It may be dropped while it waits.
    fn cleared(&self) -> impl Future<Output = Result<(), Gone>> + Send;

    /// Sends a last frame, lets the client read it for a while, and closes.
    fn part(self, bye: Bye, lingers: Duration) -> impl Future<Output = ()> + Send;
}

/// What was heard of a client.
#[derive(Debug)]
pub enum Heard {
    /// A frame.
    Text(String),
    /// Something that is none.
    Wrong(Bye),
    /// Nothing more.
    Nothing,
}

/// Tells who shows a token.
pub trait Gate: Send + Sync {
    /// What the token or key opens; `Bye::Unauthorized` if nothing.
    fn admit(&self, token: &str) -> impl Future<Output = Result<Grant, Bye>> + Send;
}

/// Why a stream ends.
pub(super) enum End {
    Said(Bye),
    Gone,
}

impl std::convert::From<Gone> for End {
    fn from(Gone: Gone) -> Self {
        Self::Gone
    }
}

impl std::convert::From<Bye> for End {
    fn from(bye: Bye) -> Self {
        Self::Said(bye)
    }
}

impl Place {
    /// Serves a connection that has yet to say `hello`. `grant` is what its request has shown, if it has shown anything.
    pub async fn greet(self, mut wire: impl Wire, gate: &impl Gate, grant: Option<Grant>) {
        // What happens once, or hardly ever, has no room in the task for all its life: there are many.
        match Box::pin(self.hub.hello(&mut wire, gate, grant)).await {
            Ok((grant, hello)) => self.serve(wire, gate, grant, hello).await,
            Err(end) => Box::pin(self.hub.part(wire, end)).await,
        }
    }

    /// Serves a connection whose request has said it all.
    pub async fn serve(self, mut wire: impl Wire, gate: &impl Gate, grant: Grant, hello: Hello) {
        let end = match Box::pin(Stream::open(&self, &mut wire, gate, grant, hello)).await {
            Ok(mut stream) => match stream.run().await {
                Err(end) => end,
                Ok(never) => match never {},
            },
            Err(end) => end,
        };
        Box::pin(self.hub.part(wire, end)).await;
    }
}

impl Hub {
    async fn hello(
        &self,
        wire: &mut impl Wire,
        gate: &impl Gate,
        grant: Option<Grant>,
    ) -> Result<(Grant, Hello), End> {
        let greeting = Greeting::new(self.moment(), HELLO_WITHIN);
        let heard = tokio::select! {
            heard = wire.hear() => heard,
            () = self.closing.cancelled() => return Err(Bye::Shutdown.into()),
            () = sleep(greeting.due_in(self.moment())) => return Err(Bye::HelloTimeout.into()),
        };
        let hello = match heard {
            Heard::Text(text) => greeting.hear(&text)?,
            Heard::Wrong(bye) => return Err(bye.into()),
            Heard::Nothing => return Err(End::Gone),
        };
        let grant = match &hello.token {
            Some(token) => gate.admit(token).await?,
            None => grant.ok_or(Bye::Unauthorized)?,
        };
        Ok((grant, hello))
    }

    async fn part(&self, wire: impl Wire, end: End) {
        match end {
            End::Gone => self.figures.count_disconnect("gone"),
            End::Said(bye) => {
                self.figures.count_disconnect(bye.as_str());
                let lingers = if bye == Bye::Slow { SLOW_LINGERS } else { PARTING_TAKES };
                wire.part(bye, lingers).await;
            }
        }
    }

    fn crier(&self) -> &Crier {
        &self.follower.crier
    }

    fn moment(&self) -> Moment {
        self.crier().moment()
    }
}

/// Nothing is ever made of it.
enum Never {}

struct Stream<'s, W, G> {
    hub: &'s Arc<Hub>,
    wire: &'s mut W,
    gate: &'s G,
    line: Arc<Line>,
    seat: Seat,
    /// Who sends; nobody where the operator looks on at everyone.
    user: Option<UserId>,
    watch: Option<Watch>,
    /// What a client's frame will come to. Until then no other is read.
    doing: Option<BoxFuture<'static, Ack>>,
}

impl<'s, W: Wire, G: Gate> Stream<'s, W, G> {
    async fn open(
        place: &'s Place,
        wire: &'s mut W,
        gate: &'s G,
        grant: Grant,
        hello: Hello,
    ) -> Result<Self, End> {
        let (hub, connection) = (&place.hub, place.connection);
        let scope = grant.scope(hello.user, hello.types).map_err(|_| Bye::Unauthorized)?;
        let user = scope.user().cloned();
        let removed_to = hub.patiently(|| hub.store.removed_to()).await?;
        let head = hub.patiently(|| hub.store.head()).await?;
        let (known, now) = ((head, removed_to), hub.moment());
        let (session, frames) =
            Session::open((connection, hub.terms.heartbeat), &grant, scope, hello.from, known, now);
        let line = Arc::new(Line::new(connection, session, wire.outlet()));
        // It looks at the log after it has a seat: whatever is appended from then on is rung for.
        let own_max = grant.user().map(|_| hub.terms.streams_per_user_max);
        let seat = hub.rooms.enter(&line, own_max, &hub.clock).ok_or(Bye::TooMany)?;
        hub.figures.count_resume(resumed(hello.from, &frames));
        let watch = grant.key.map(|digest| hub.keys.watch(digest));
        let mut stream = Self { hub, wire, gate, line, seat, user, watch, doing: None };
        stream.say(|_| Ok(frames)).await?;
        Ok(stream)
    }

    async fn run(&mut self) -> Result<Never, End> {
        let revoked = self.watch.as_ref().map(|watch| watch.revoked.clone());
        let mut revoked = pin!(async move {
            match revoked {
                Some(revoked) => revoked.cancelled_owned().await,
                None => pending().await,
            }
        });
        let mut closing = pin!(self.hub.closing.cancelled().fuse());
        let mut alarm = pin!(sleep(self.due_in()));
        loop {
            self.clear().await?;
            self.catch_up().await?;
            let whispers = self.seat.whispers();
            self.say(|session| Ok(session.overhear(whispers))).await?;
            tokio::select! {
                () = self.line.rung() => {}
                heard = self.wire.hear(), if self.doing.is_none() => self.heed(heard).await?,
                ack = done(&mut self.doing) => self.say(|session| Ok(vec![session.answer(ack)])).await?,
                () = &mut alarm => self.pass_time().await?,
                () = &mut revoked => return Err(Bye::Revoked.into()),
                () = &mut closing => {
                    self.line.session().leave_at(self.hub.clock.elapsed() + self.hub.leaving_after());
                }
            }
            // What is said moves the next silence away; the alarm notices when it rings.
            let due = tokio::time::Instant::now() + self.due_in();
            if alarm.is_elapsed() || due < alarm.deadline() {
                alarm.as_mut().reset(due);
            }
        }
    }

    fn due_in(&self) -> Duration {
        let now = self.hub.moment();
        self.line.session().due_in(now)
    }

    /// Sends all that lies ahead.
    async fn catch_up(&mut self) -> Result<(), End> {
        while self.is_behind() {
            let ahead = match self.line.look_ahead(&self.hub.crier().tail) {
                Some(ahead) => ahead,
                None => {
                    // Without an end of its own it takes as long as it takes, and a batch is sent before the next is read.
                    let left = self.expires_in().unwrap_or(Duration::MAX);
                    timeout(left, Box::pin(self.far_ahead())).await.map_err(|_| Bye::Expired)??
                }
            };
            if self.line.show(ahead, self.hub.crier())?.is_none() {
                // Much of the log may be other people's; they must have their turn too.
                tokio::task::yield_now().await;
                continue;
            }
            self.clear().await?;
            self.pass_time().await?;
        }
        Ok(())
    }

    fn is_behind(&self) -> bool {
        let marks = self.seat.marks();
        self.line.session().is_behind(marks)
    }

    fn expires_in(&self) -> Option<Duration> {
        let now = self.hub.moment();
        self.line.session().expires_in(now)
    }

    /// What lies ahead of one who is further behind than the tail goes: from the store.
    async fn far_ahead(&mut self) -> Result<Ahead, End> {
        // Held while reading only: a client that reads slowly keeps nobody from it.
        let (hub, limit) = (self.hub, BATCH_EVENTS_MAX as u32);
        let (position, scope) = {
            let session = self.line.session();
            (session.position(), session.scope().clone())
        };
        let turn = hub.backlog_reads.acquire().await;
        let head = hub.patiently(|| hub.store.head()).await?;
        let page = match scope.user() {
            Some(user) => hub.patiently(|| hub.store.read_log_of(user, position, limit)).await?,
            None => hub.patiently(|| hub.store.read_log(position, limit)).await?,
        };
        let removed_to = hub.patiently(|| hub.store.removed_to()).await?;
        drop(turn);
        let mut has_lost = false;
        let reset = |session: &mut Session| {
            let frames = session.note_removals(removed_to, head);
            has_lost = frames.is_some();
            Ok(frames.map(Vec::from).unwrap_or_default())
        };
        self.say(reset).await?;
        if has_lost {
            return Ok(Ahead { entries: Vec::new(), to: head, is_all: false });
        }
        let is_whole = page.len() < BATCH_EVENTS_MAX;
        let ahead = batch_of(page, &scope, position, head, is_whole);
        // The rest of it is in the tail, or has come since.
        Ok(Ahead { is_all: false, ..ahead })
    }

    async fn heed(&mut self, heard: Heard) -> Result<(), End> {
        let text = match heard {
            Heard::Text(text) => text,
            Heard::Wrong(bye) => return Err(bye.into()),
            Heard::Nothing => return Err(End::Gone),
        };
        let asked = self.line.session().hear(&text)?;
        match asked {
            Asked::Nothing => {}
            Asked::Renewal(token) => {
                let grant = Box::pin(self.gate.admit(&token)).await?;
                self.line.session().renew(&grant)?;
            }
            Asked::Sending(send) => {
                let (hub, user, connection) = (Arc::clone(self.hub), self.user.clone(), self.line.connection);
                let doing = async move { hub.desk.take(user.as_ref(), Some(connection), send).await };
                self.doing = Some(doing.boxed());
            }
        }
        Ok(())
    }

    async fn pass_time(&mut self) -> Result<(), End> {
        // In this order: what is rung later than this was read lies beyond it.
        let rung_to = self.hub.follower.rung_to();
        let (marks, now) = (self.seat.marks(), self.hub.moment());
        let say = |session: &mut Session| {
            let is_quiet = !session.is_behind(marks);
            let frame = session.pass_time(now, is_quiet.then_some(rung_to))?;
            Ok(frame.into_iter().collect())
        };
        self.say(say).await
    }

    /// Sends what the session says to a client that takes it in time.
    async fn say(&mut self, say: impl FnOnce(&mut Session) -> Result<Vec<Frame>, Bye>) -> Result<(), End> {
        self.line.say(say, self.hub.crier())?;
        self.clear().await
    }

    /// Waits until the client has taken what it was sent, if it does in time.
    async fn clear(&mut self) -> Result<(), End> {
        // Nearly always the system has taken it at once, and no timer is needed.
        if self.line.is_clear() {
            return Ok(());
        }
        let expires_in = self.expires_in();
        let patience = at_most(expires_in, SLOW_AFTER);
        match timeout(patience, Box::pin(self.wire.cleared())).await {
            Ok(cleared) => Ok(cleared?),
            Err(_) if expires_in == Some(patience) => Err(Bye::Expired.into()),
            Err(_) => Err(Bye::Slow.into()),
        }
    }
}

async fn done(doing: &mut Option<BoxFuture<'static, Ack>>) -> Ack {
    match doing {
        Some(under_way) => {
            let ack = under_way.await;
            *doing = None;
            ack
        }
        None => pending().await,
    }
}

impl Hub {
    /// Asks the store until it answers. What a stream has read is in no danger meanwhile; what it waits for cannot be had.
    async fn patiently<T, F: Future<Output = Result<T, StoreError>>>(
        &self,
        ask: impl Fn() -> F,
    ) -> Result<T, End> {
        loop {
            match ask().await {
                Ok(answer) => return Ok(answer),
                Err(StoreError::Unavailable(_)) if !self.closing.is_cancelled() => {
                    sleep(STORE_RETRY_AFTER).await;
                }
                Err(error) => {
                    tracing::error!(%error, "a stream cannot go on");
                    return Err(Bye::Shutdown.into());
                }
            }
        }
    }

    /// When a connection leaves once the program stops: some time within a spread that grows with their number.
    fn leaving_after(&self) -> Duration {
        let connections = u32::try_from(self.figures.connections.get()).unwrap_or(0);
        let spread = (LEAVING_SPREAD_EACH * connections).min(LEAVING_SPREAD_MAX);
        spread.mul_f64(chance::rng().random_range(0.0..1.0))
    }
}

/// What became of a cursor, for the figures.
fn resumed(from: From, frames: &[Frame]) -> &'static str {
    let lost = frames.iter().find_map(|frame| match frame {
        Frame::Reset(lost, _) => Some(lost),
        _ => None,
    });
    match (lost, from) {
        (Some(Lost::Expired), _) => "expired",
        (Some(Lost::Unknown), _) => "unknown",
        (None, From::Now) => "now",
        (None, From::Earliest) => "earliest",
        (None, From::After(_) | From::Nowhere) => "resumed",
    }
}

#[cfg(test)]
mod tests {
    use std::sync::OnceLock;

    use domain::alert::Rules;

    use super::*;
    use crate::log::Log;
    use crate::realtime::{Conversations, Full, Sent, Terms};
    use crate::testing::Parts;

    /// A client who says nothing and takes everything, the last word too.
    #[derive(Debug, Clone, Default)]
    struct Silent(Arc<OnceLock<Bye>>);

    impl Outlet for Silent {
        fn send(&self, _frames: &[Frame]) -> Result<Sent, Gone> {
            Ok(Sent::Whole)
        }

        fn is_clear(&self) -> bool {
            true
        }
    }

    impl Wire for Silent {
        fn outlet(&self) -> Arc<dyn Outlet> {
            Arc::new(self.clone())
        }

        async fn hear(&mut self) -> Heard {
            pending().await
        }

        async fn cleared(&self) -> Result<(), Gone> {
            Ok(())
        }

        async fn part(self, bye: Bye, _lingers: Duration) {
            self.0.set(bye).expect("one parts once");
        }
    }

    struct Closed;

    impl Gate for Closed {
        async fn admit(&self, _token: &str) -> Result<Grant, Bye> {
            Err(Bye::Unauthorized)
        }
    }

    #[derive(Debug)]
    struct NoConversations;

    #[async_trait::async_trait]
    impl Conversations for NoConversations {
        async fn has(&self, _user: &UserId, _conversation: &str) -> Result<bool, StoreError> {
            Ok(false)
        }
    }

    /// A hub with one place.
    async fn hub() -> Arc<Hub> {
        let parts = Parts::new(Rules::default(), &[]).await;
        let (log, _committer) = Log::new(&parts.shared, parts.deliverer);
        let terms = Terms { heartbeat: Duration::from_secs(25), streams_max: 1, streams_per_user_max: 1 };
        Hub::start(&parts.shared, log, Arc::new(NoConversations), terms)
    }

    #[tokio::test]
    async fn a_connection_costs_little_for_all_its_life() {
        let hub = hub().await;
        let place = hub.place(None).unwrap();
        assert_eq!(hub.place(None).err(), Some(Full::Node));
        // All that has not moved into a box of its own is here while the client is connected, and 19,000 may be.
        let task = size_of_val(&place.greet(Silent::default(), &Closed, None));
        assert!(task < 3 * 1_024, "{task} bytes");
    }

    #[tokio::test(start_paused = true)]
    async fn who_says_no_hello_in_time_is_told_so_and_leaves_the_place_free() {
        let hub = hub().await;
        let (client, began) = (Silent::default(), tokio::time::Instant::now());
        hub.place(None).unwrap().greet(client.clone(), &Closed, None).await;
        assert_eq!(client.0.get(), Some(&Bye::HelloTimeout));
        assert_eq!(began.elapsed().as_secs(), HELLO_WITHIN.as_secs());
        assert!(hub.place(None).is_ok());
    }
}
