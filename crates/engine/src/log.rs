//! How many events become durable in one commit.
//!
//! Requests hand their drafts to one task and wait. The task takes whatever has gathered while the last commit was on its
//! way, decides what is owed to whom, and commits it all at once: under load the durable write is shared, and when
//! nothing else is going on nobody waits for company. Since the write runs in this task, a client that goes away cancels
//! nothing. (On a store that several nodes share there are two such tasks, which take turns at gathering.)

use std::cell::LazyCell;
use std::sync::Arc;
use std::time::Duration;

use domain::delivery::{Claim, Delivery, Holder, Trigger};
use domain::event::DedupeKey;
use domain::order::OrderingKey;
use domain::{DeliveryId, Event, NodeId, Timestamp};
use store::{Append, Appended, Idempotency, Kept, NewEvent, Store, StoreError};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::chance;
use crate::clock::Clock;
use crate::deliver::{Deliverer, Job};
use crate::limits::{
    APPEND_TIMEOUT, APPENDS_PER_COMMIT_MAX, APPENDS_WAITING_MAX, CLAIM_LASTS, COMMIT_BYTES_MAX,
};
use crate::realtime::Advance;
use crate::routes::{Route, RouteTable, Routes};

/// Events of one request that are to be kept together.
#[derive(Debug)]
pub struct Draft {
    /// The events, each with what tells a repeat of it.
    pub events: Vec<(Arc<Event>, Option<DedupeKey>)>,
    /// The request's idempotency key.
    pub idempotency: Option<Idempotency>,
    /// Who is owed them.
    pub owed: Owed,
}

/// Who is owed the events of a draft.
#[derive(Debug)]
pub enum Owed {
    /// Every subscription that wants them.
    ToWhoWantsThem,
    /// This delivery and no other.
    Exactly(Box<Delivery>),
}

/// Why a draft was not kept.
#[derive(Debug, Clone, thiserror::Error)]
pub enum NotKept {
    /// It may be in the log or not; the same request again will tell.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The commit did not come in time, or the program is stopping.
    #[error("the log is not taking events in")]
    Busy,
}

/// The way into the log.
#[derive(Debug, Clone)]
pub struct Log {
    drafts: mpsc::Sender<Pending>,
}

#[derive(Debug)]
struct Pending {
    draft: Draft,
    answer: oneshot::Sender<Result<Kept, NotKept>>,
}

impl Log {
    /// A log and the task that writes it.
    pub(crate) fn new(
        store: Arc<dyn Store>,
        routes: Arc<RouteTable>,
        deliverer: Deliverer,
        clock: Arc<dyn Clock>,
        advance: Advance,
        stopping: CancellationToken,
    ) -> (Self, Committer) {
        let (drafts, inbox) = mpsc::channel(APPENDS_WAITING_MAX);
        let inbox = Mutex::new(Inbox { drafts: inbox, carried_over: None, stopping });
        (Self { drafts }, Committer { inbox, store, routes, deliverer, clock, advance })
    }

    /// Keeps `draft` and answers once it is durable.
    ///
    /// # Errors
    /// It is not known to be durable.
    pub async fn append(&self, draft: Draft) -> Result<Kept, NotKept> {
        let (answer, answered) = oneshot::channel();
        let appended = async {
            self.drafts.send(Pending { draft, answer }).await.map_err(|_| NotKept::Busy)?;
            answered.await.map_err(|_| NotKept::Busy)?
        };
        tokio::time::timeout(APPEND_TIMEOUT, appended).await.unwrap_or(Err(NotKept::Busy))
    }
}

/// What is behind a [`Log`]: one task or more that take turns at gathering, and commit side by side.
#[derive(Debug)]
pub(crate) struct Committer {
    inbox: Mutex<Inbox>,
    store: Arc<dyn Store>,
    routes: Arc<RouteTable>,
    deliverer: Deliverer,
    clock: Arc<dyn Clock>,
    /// Tells those who follow the log.
    advance: Advance,
}

#[derive(Debug)]
struct Inbox {
    drafts: mpsc::Receiver<Pending>,
    /// What did not fit into the last batch by its bytes.
    carried_over: Option<Pending>,
    stopping: CancellationToken,
}

impl Committer {
    /// Commits until the program is told to stop and all that had come in is durable.
    pub(crate) async fn run(&self) {
        loop {
            let batch = self.inbox.lock().await.gather().await;
            if batch.is_empty() {
                return;
            }
            self.commit(batch).await;
        }
    }

    /// Commits a batch. Should the store refuse it for what it holds, each draft is tried by itself: one that can never be
    /// kept must not take others with it.
    async fn commit(&self, batch: Vec<Pending>) {
        let (drafts, answers): (Vec<_>, Vec<_>) = batch.into_iter().map(|p| (p.draft, p.answer)).unzip();
        match self.write(&drafts).await {
            Ok(kept) => answer_all(answers, kept.into_iter().map(Ok)),
            Err(StoreError::Refused(_)) if drafts.len() > 1 => {
                for (draft, answer) in drafts.into_iter().zip(answers) {
                    let kept = self.write(&[draft]).await;
                    answer_all(
                        vec![answer],
                        kept.map_or_else(|error| vec![Err(error)], |kept| kept.into_iter().map(Ok).collect()),
                    );
                }
            }
            Err(error) => {
                tracing::warn!(%error, drafts = drafts.len(), "events could not be kept; their senders are told");
                answer_all(answers, std::iter::repeat(Err(error)));
            }
        }
    }

    /// Routes and appends; again, if subscriptions have changed meanwhile.
    async fn write(&self, drafts: &[Draft]) -> Result<Vec<Kept>, StoreError> {
        loop {
            let now = self.clock.now();
            let routes = self.routes.current();
            let appends: Vec<Append> = drafts.iter().map(|draft| self.route(draft, &routes, now)).collect();
            match self.store.append(&appends, routes.version, now).await {
                Ok(Appended::Durable(kept)) => {
                    self.advance.tell();
                    let mut new = appends.iter().flat_map(|append| &append.events);
                    if new.any(|new| store::is_for_inbox(&new.event.event_type)) {
                        self.advance.tell_inbox();
                    }
                    self.hand_on(appends, &kept);
                    return Ok(kept);
                }
                Ok(Appended::StaleRoutes) => {
                    self.give_up(&appends);
                    self.routes.refresh().await?;
                }
                Err(error) => {
                    self.give_up(&appends);
                    return Err(error);
                }
            }
        }
    }

    /// Decides what is owed to whom.
    fn route(&self, draft: &Draft, routes: &Routes, now: Timestamp) -> Append {
        let new = |(index, (event, dedupe_key)): (usize, &(Arc<Event>, Option<DedupeKey>))| {
            // A microsecond apart, as the events' ids are: what comes together is due in its order.
            let now = now.plus(Duration::from_micros(index as u64));
            let deliveries = match &draft.owed {
                Owed::ToWhoWantsThem => {
                    let document = LazyCell::new(|| event.document());
                    let owed = |route: &Arc<Route>| {
                        self.owed(event, route, route.subscription.ordering_key(&document), now)
                    };
                    routes.wanting(event, &document).map(owed).collect()
                }
                Owed::Exactly(delivery) => vec![(**delivery).clone()],
            };
            NewEvent { deliveries, event: Arc::clone(event), dedupe_key: *dedupe_key }
        };
        Append { events: draft.events.iter().enumerate().map(new).collect(), idempotency: draft.idempotency }
    }

    /// What `route` is owed: claimed from the start if the deliverer has room for it, so that it need not be read back.
    /// What stands in a line is claimed in the store, which alone knows whether it is the first.
    fn owed(&self, event: &Event, route: &Route, line: Option<OrderingKey>, now: Timestamp) -> Delivery {
        let id = DeliveryId::new(now, &mut chance::rng());
        let mut delivery =
            Delivery::owed_in_line(id, event, &route.subscription, line, Trigger::Initial, now);
        if delivery.due_at().is_some() && line.is_none() && self.deliverer.reserve(route) {
            let claimed = delivery.claim(claim(self.deliverer.node(), now), now);
            debug_assert!(claimed.is_ok(), "it has just become due");
        }
        delivery
    }

    /// Hands what was claimed to the deliverer, and tells it of what was not.
    fn hand_on(&self, appends: Vec<Append>, kept: &[Kept]) {
        for (append, kept) in appends.into_iter().zip(kept) {
            let kept = match kept {
                Kept::Events(kept) => kept.as_slice(),
                Kept::KeyTaken => &[],
            };
            for (index, new) in append.events.into_iter().enumerate() {
                let is_new = kept.get(index).is_some_and(|kept| kept.is_new);
                for delivery in new.deliveries {
                    let job = Job::alone(delivery, Arc::clone(&new.event));
                    match (is_new, self.holds(&job.delivery)) {
                        (true, true) => self.deliverer.admit(job),
                        (true, false) => self.deliverer.note_waiting(&job.delivery),
                        (false, true) => self.deliverer.release(job.delivery.subscription_id),
                        (false, false) => {}
                    }
                }
            }
        }
    }

    fn give_up(&self, appends: &[Append]) {
        let deliveries = appends.iter().flat_map(|append| &append.events).flat_map(|new| &new.deliveries);
        for delivery in deliveries.filter(|delivery| self.holds(delivery)) {
            self.deliverer.release(delivery.subscription_id);
        }
    }

    /// Whether the deliverer has a place reserved for it. A test delivery is claimed by whoever waits for its outcome.
    fn holds(&self, delivery: &Delivery) -> bool {
        delivery.claimed().is_some() && delivery.trigger != Trigger::Test
    }
}

impl Inbox {
    /// Whatever is there, at least one draft; nothing only when no more will come.
    async fn gather(&mut self) -> Vec<Pending> {
        let Some(first) = self.first().await else { return Vec::new() };
        let mut bytes = first.draft.bytes();
        let mut batch = vec![first];
        // Lets requests that are just being read join in.
        tokio::task::yield_now().await;
        while batch.len() < APPENDS_PER_COMMIT_MAX {
            let Ok(next) = self.drafts.try_recv() else { break };
            bytes += next.draft.bytes();
            if bytes > COMMIT_BYTES_MAX {
                self.carried_over = Some(next);
                break;
            }
            batch.push(next);
        }
        batch
    }
}

impl Inbox {
    async fn first(&mut self) -> Option<Pending> {
        if let Some(pending) = self.carried_over.take() {
            return Some(pending);
        }
        tokio::select! {
            biased;
            pending = self.drafts.recv() => return pending,
            () = self.stopping.cancelled() => {}
        }
        self.drafts.close();
        self.drafts.recv().await
    }
}

impl Draft {
    fn bytes(&self) -> usize {
        let bytes = |event: &Event| event.data.as_str().len() + event.raw.as_ref().map_or(0, Vec::len);
        self.events.iter().map(|(event, _)| bytes(event)).sum()
    }
}

/// A claim by `node` from `now`.
pub(crate) fn claim(node: NodeId, now: Timestamp) -> Claim {
    Claim { holder: Holder::Node(node), deadline: now.plus(CLAIM_LASTS) }
}

fn answer_all(
    answers: Vec<oneshot::Sender<Result<Kept, NotKept>>>,
    outcomes: impl IntoIterator<Item = Result<Kept, StoreError>>,
) {
    for (answer, outcome) in answers.into_iter().zip(outcomes) {
        // Nobody listens any more when the client has gone away; the event is kept all the same.
        let _gone = answer.send(outcome.map_err(NotKept::from));
    }
}
