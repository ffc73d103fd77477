//! One connection, from its first frame to its last: feeds the [`Session`] with what happens, and sends what it says.

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

use super::ephemera::Seat;
use super::follow::at_most;
use super::frame::{Ack, Bye, Frame, From, Hello, Lost};
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
    /// What the client says next. It pends for ever where it cannot say anything, and may be dropped while it waits.
    fn hear(&mut self) -> impl Future<Output = Heard> + Send;

    /// Sends frames, and answers once the system has taken all of them. It may be dropped while it waits: then only
    /// [`Wire::part`] follows.
    fn tell(&mut self, frames: &[Frame]) -> impl Future<Output = Result<(), Gone>> + Send;

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

/// The client has gone.
#[derive(Debug, Clone, Copy)]
pub struct Gone;

/// Tells who shows a token.
pub trait Gate: Send + Sync {
    /// What the token or key opens; `Bye::Unauthorized` if nothing.
    fn admit(&self, token: &str) -> impl Future<Output = Result<Grant, Bye>> + Send;
}

/// Why a stream ends.
enum End {
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

    fn moment(&self) -> Moment {
        Moment { time: self.clock.now(), elapsed: self.clock.elapsed() }
    }
}

/// Nothing is ever made of it.
enum Never {}

struct Stream<'s, W, G> {
    hub: &'s Arc<Hub>,
    connection: u64,
    wire: &'s mut W,
    gate: &'s G,
    session: Session,
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
        let removed_to = hub.patiently(|| hub.store.removed_to()).await?;
        let head = hub.patiently(|| hub.store.head()).await?;
        // A seat first: whatever is appended from here on rings its bell.
        let own_max = grant.user().map(|_| hub.terms.streams_per_user_max);
        let seat = hub.rooms.enter(&scope, own_max, &hub.clock).ok_or(Bye::TooMany)?;
        let user = scope.user().cloned();
        let (known, now) = ((head, removed_to), hub.moment());
        let (session, frames) =
            Session::open((connection, hub.terms.heartbeat), &grant, scope, hello.from, known, now);
        hub.figures.count_resume(resumed(hello.from, &frames));
        let watch = grant.key.map(|digest| hub.keys.watch(digest));
        let mut stream = Self { hub, connection, wire, gate, session, seat, user, watch, doing: None };
        stream.tell(&frames).await?;
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
        let mut alarm = pin!(sleep(self.session.due_in(self.hub.moment())));
        loop {
            self.catch_up().await?;
            let frames = self.session.overhear(self.seat.whispers());
            self.tell(&frames).await?;
            tokio::select! {
                () = self.seat.rung() => {}
                heard = self.wire.hear(), if self.doing.is_none() => self.heed(heard).await?,
                ack = done(&mut self.doing) => self.tell(&[self.session.answer(ack)]).await?,
                () = &mut alarm => self.pass_time().await?,
                () = &mut revoked => return Err(Bye::Revoked.into()),
                () = &mut closing => {
                    self.session.leave_at(self.hub.clock.elapsed() + self.hub.leaving_after());
                }
            }
            // What is said moves the next silence away; the alarm notices when it rings.
            let due = tokio::time::Instant::now() + self.session.due_in(self.hub.moment());
            if alarm.is_elapsed() || due < alarm.deadline() {
                alarm.as_mut().reset(due);
            }
        }
    }

    /// Sends all that lies ahead.
    async fn catch_up(&mut self) -> Result<(), End> {
        while self.session.is_behind(self.seat.marks()) {
            let was_behind = !self.session.has_caught_up();
            let ahead = match self.hub.follower.tail.after(self.session.position(), self.session.scope()) {
                Some(ahead) => ahead,
                None => {
                    // Without an end of its own it takes as long as it takes, and a batch is sent before the next is read.
                    let left = self.session.expires_in(self.hub.moment()).unwrap_or(Duration::MAX);
                    timeout(left, Box::pin(self.far_ahead())).await.map_err(|_| Bye::Expired)??
                }
            };
            let now = self.hub.moment();
            let frames = self.session.show(ahead, now);
            if frames.is_empty() {
                // Much of the log may be other people's; they must have their turn too.
                tokio::task::yield_now().await;
                continue;
            }
            self.tell(&frames).await?;
            self.hub.count_events(&frames, was_behind);
            self.pass_time().await?;
        }
        Ok(())
    }

    /// What lies ahead of one who is further behind than the tail goes: from the store.
    async fn far_ahead(&mut self) -> Result<Ahead, End> {
        // Held while reading only: a client that reads slowly keeps nobody from it.
        let (hub, position, limit) = (self.hub, self.session.position(), BATCH_EVENTS_MAX as u32);
        let turn = hub.backlog_reads.acquire().await;
        let head = hub.patiently(|| hub.store.head()).await?;
        let page = match self.session.scope().user() {
            Some(user) => hub.patiently(|| hub.store.read_log_of(user, position, limit)).await?,
            None => hub.patiently(|| hub.store.read_log(position, limit)).await?,
        };
        let removed_to = hub.patiently(|| hub.store.removed_to()).await?;
        drop(turn);
        if let Some(frames) = self.session.note_removals(removed_to, head) {
            self.tell(&frames).await?;
            return Ok(Ahead { entries: Vec::new(), to: head, is_all: false });
        }
        let is_whole = page.len() < BATCH_EVENTS_MAX;
        let ahead = batch_of(page, self.session.scope(), position, head, is_whole);
        // The rest of it is in the tail, or has come since.
        Ok(Ahead { is_all: false, ..ahead })
    }

    async fn heed(&mut self, heard: Heard) -> Result<(), End> {
        let text = match heard {
            Heard::Text(text) => text,
            Heard::Wrong(bye) => return Err(bye.into()),
            Heard::Nothing => return Err(End::Gone),
        };
        match self.session.hear(&text)? {
            Asked::Nothing => {}
            Asked::Renewal(token) => {
                let grant = Box::pin(self.gate.admit(&token)).await?;
                self.session.renew(&grant)?;
            }
            Asked::Sending(send) => {
                let (hub, user, connection) = (Arc::clone(self.hub), self.user.clone(), self.connection);
                let doing = async move { hub.desk.take(user.as_ref(), Some(connection), send).await };
                self.doing = Some(doing.boxed());
            }
        }
        Ok(())
    }

    async fn pass_time(&mut self) -> Result<(), End> {
        // In this order: what is rung later than this was read lies beyond it.
        let rung_to = self.hub.follower.rung_to();
        let is_quiet = !self.session.is_behind(self.seat.marks());
        let frame = self.session.pass_time(self.hub.moment(), is_quiet.then_some(rung_to))?;
        match frame {
            Some(frame) => self.tell(&[frame]).await,
            None => Ok(()),
        }
    }

    /// Sends frames to a client that takes them in time.
    async fn tell(&mut self, frames: &[Frame]) -> Result<(), End> {
        if frames.is_empty() {
            return Ok(());
        }
        let now = self.hub.moment();
        let expires_in = self.session.expires_in(now);
        let patience = at_most(expires_in, SLOW_AFTER);
        let mut telling = pin!(self.wire.tell(frames));
        // Nearly always the system takes it at once, and no timer is needed.
        let told = match telling.as_mut().now_or_never() {
            Some(told) => told,
            None => match timeout(patience, telling).await {
                Ok(told) => told,
                Err(_) if expires_in == Some(patience) => return Err(Bye::Expired.into()),
                Err(_) => return Err(Bye::Slow.into()),
            },
        };
        for frame in frames.iter().filter(|frame| !matches!(frame, Frame::Event { .. })) {
            self.hub.figures.count_frame(frame.name());
        }
        Ok(told?)
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

    fn count_events(&self, frames: &[Frame], was_behind: bool) {
        let events = frames.len() as u64;
        self.figures.events.inc_by(events);
        if was_behind {
            self.figures.replayed.inc_by(events);
            return;
        }
        let now = self.clock.now();
        for frame in frames {
            if let Frame::Event { entry, .. } = frame {
                let took = now.since(entry.event.received_at);
                self.figures.append_to_socket.observe(took.as_secs_f64());
            }
        }
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
    use domain::alert::Rules;

    use super::*;
    use crate::log::Log;
    use crate::realtime::{Conversations, Full, Terms};
    use crate::testing::Parts;

    /// A client who says nothing and takes everything.
    struct Silent;

    impl Wire for Silent {
        async fn hear(&mut self) -> Heard {
            pending().await
        }

        async fn tell(&mut self, _frames: &[Frame]) -> Result<(), Gone> {
            Ok(())
        }

        async fn part(self, _bye: Bye, _lingers: Duration) {}
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

    #[tokio::test]
    async fn a_connection_costs_little_for_all_its_life() {
        let parts = Parts::new(Rules::default(), &[]).await;
        let (log, _committer) = Log::new(&parts.shared, parts.deliverer);
        let terms = Terms { heartbeat: Duration::from_secs(25), streams_max: 1, streams_per_user_max: 1 };
        let hub = Hub::start(&parts.shared, log, Arc::new(NoConversations), terms);
        let place = hub.place(None).unwrap();
        assert_eq!(hub.place(None).err(), Some(Full::Node));
        // All that has not moved into a box of its own is here while the client is connected, and 19,000 may be.
        let task = size_of_val(&place.greet(Silent, &Closed, None));
        assert!(task < 3 * 1_024, "{task} bytes");
    }
}
