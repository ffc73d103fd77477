//! How many events become durable in one commit.
//!
//! Requests hand their drafts to one task and wait. The task takes what has gathered while the last commit was on
//! its way, decides what is owed to whom, and commits it all at once: under load the durable write is shared, and when
//! nothing else is going on nobody waits for company. It looks into no event: whoever does was asked before. Since the
//! write runs in this task, a client that goes away cancels nothing. The task has a thread of its own: all wait for it, so
//! it must not wait for its turn among them. There is one, also where several nodes share a store: two commits of one node
//! would wait for each other there, and be two smaller batches.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use domain::attempt::ErrorCode;
use domain::delivery::{Claim, Delivery, Holder, State, Trigger};
use domain::event::DedupeKey;
use domain::order::OrderingKey;
use domain::{DeliveryId, Event, NodeId, Timestamp};
use store::{Append, Appended, Idempotency, Kept, NewEvent, Store, StoreError};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::chance;
use crate::clock::Clock;
use crate::deliver::{Deliverer, Job};
use crate::limits::{
    APPEND_TIMEOUT, APPENDS_PER_COMMIT_MAX, APPENDS_PER_COMMIT_WHOLE, APPENDS_WAITING_MAX, CLAIM_LASTS,
    COMMIT_BYTES_MAX, LATE_LOOKED_FOR_EVERY,
};
use crate::matching::{Answer, Matching, Said, Why};
use crate::realtime::Advance;
use crate::routes::{Route, RouteTable, Routes};
use crate::shared::Shared;
use crate::supervise::Supervisor;

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
    matching: Matching,
}

#[derive(Debug)]
struct Pending {
    draft: Draft,
    /// What those say who look into its events.
    said: Said,
    /// When it came into the line.
    came: Instant,
    /// Dropped, it tells the sender to come again.
    answer: oneshot::Sender<Reply>,
}

#[derive(Debug)]
enum Reply {
    Done(Result<Kept, NotKept>),
    /// Somebody looks into its events who has not been asked: subscriptions have changed.
    AskAgain(Draft),
}

impl Log {
    /// A log and the task that writes it.
    pub(crate) fn new(shared: &Shared, deliverer: Deliverer) -> (Self, Committer) {
        let Shared { store, routes, matching, clock, advance, supervisor, .. } = shared.clone();
        let stopping = supervisor.stopping();
        let (drafts, inbox) = mpsc::channel(APPENDS_WAITING_MAX);
        let inbox = Mutex::new(Inbox { drafts: inbox, carried_over: None, taken_last: 0, stopping });
        (Self { drafts, matching }, Committer { inbox, store, routes, deliverer, clock, advance, supervisor })
    }

    /// Keeps `draft` and answers once it is durable.
    ///
    /// # Errors
    /// It is not known to be durable.
    pub async fn append(&self, mut draft: Draft) -> Result<Kept, NotKept> {
        loop {
            let said = self.matching.ask(draft.to_whom_it_concerns()).await;
            let place = self.place().await?;
            let (answer, answered) = oneshot::channel();
            place.send(Pending { draft, said, came: Instant::now(), answer });
            match answered.await.map_err(|_| NotKept::Busy)? {
                Reply::Done(kept) => return kept,
                Reply::AskAgain(again) => draft = again,
            }
        }
    }

    /// A place among those that wait for the next commits. There is one, unless commits have fallen far behind.
    async fn place(&self) -> Result<mpsc::Permit<'_, Pending>, NotKept> {
        let place = match self.drafts.try_reserve() {
            Err(TrySendError::Full(())) => {
                let in_time = Box::pin(tokio::time::timeout(APPEND_TIMEOUT, self.drafts.reserve())).await;
                in_time.map_err(|_| NotKept::Busy)?.ok()
            }
            tried => tried.ok(),
        };
        place.ok_or(NotKept::Busy)
    }
}

/// What is behind a [`Log`]: the task that gathers and commits.
#[derive(Debug)]
pub(crate) struct Committer {
    inbox: Mutex<Inbox>,
    store: Arc<dyn Store>,
    routes: Arc<RouteTable>,
    deliverer: Deliverer,
    clock: Arc<dyn Clock>,
    /// Tells those who follow the log.
    advance: Advance,
    supervisor: Supervisor,
}

#[derive(Debug)]
struct Inbox {
    drafts: mpsc::Receiver<Pending>,
    /// What was taken out of the line and is the first of the next batch.
    carried_over: Option<Pending>,
    /// How many drafts the last batch had.
    taken_last: usize,
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

    /// Commits a batch, again if subscriptions have changed meanwhile. Should the store refuse it for what it holds,
    /// each draft is tried by itself: one that can never be kept must not take others with it.
    ///
    /// The workers tell its senders, who go on with the requests: the next batch waits already. Where deliveries go out they
    /// have more than that to do, and telling is waited for: senders who are told may come again in time for the next batch,
    /// and what is written at once is more.
    async fn commit(&self, mut batch: Vec<Pending>) {
        loop {
            let routes = self.routes.current();
            batch = those_answered(batch, &routes);
            if batch.is_empty() {
                return;
            }
            let (now, mut unknown) = (self.clock.now(), HashMap::new());
            let appends: Arc<[_]> =
                batch.iter().map(|pending| self.route(pending, &routes, &mut unknown, now)).collect();
            let is_owed = owes(&appends);
            match self.in_time(&mut batch, self.write(appends, &routes, &unknown, now)).await {
                Ok(Some(kept)) => {
                    let telling = async move { answer_all(batch, kept.into_iter().map(Ok)) };
                    let told = self.supervisor.spawn(telling);
                    if is_owed {
                        let _ended = told.await;
                    }
                    return;
                }
                Ok(None) => {}
                Err(StoreError::Refused(_)) if batch.len() > 1 => {
                    for pending in batch {
                        Box::pin(self.commit(vec![pending])).await;
                    }
                    return;
                }
                Err(error) => {
                    tracing::warn!(%error, drafts = batch.len(), "events could not be kept; their senders are told");
                    return answer_all(batch, std::iter::repeat(Err(error)));
                }
            }
        }
    }

    /// Waits for what is written of `batch`. Where the store hangs, its senders are told to come again, and so is whoever
    /// waits too long behind them.
    async fn in_time<T>(&self, batch: &mut Vec<Pending>, writing: impl Future<Output = T>) -> T {
        let mut writing = pin!(writing);
        if let Ok(written) = tokio::time::timeout(APPEND_TIMEOUT, &mut writing).await {
            return written;
        }
        tracing::warn!(drafts = batch.len(), "the store does not answer; senders are told to come again");
        batch.clear();
        loop {
            tokio::select! {
                biased;
                written = &mut writing => return written,
                () = self.turn_late_away() => {}
            }
        }
    }

    /// Tells those who have waited too long, in a while.
    async fn turn_late_away(&self) {
        tokio::time::sleep(LATE_LOOKED_FOR_EVERY).await;
        self.inbox.lock().await.turn_late_away();
    }

    /// Appends; `None` where the routes are not those of now any more.
    async fn write(
        &self,
        appends: Arc<[Append]>,
        routes: &Routes,
        unknown: &HashMap<DeliveryId, Why>,
        now: Timestamp,
    ) -> Result<Option<Vec<Kept>>, StoreError> {
        match self.store.append(Arc::clone(&appends), routes.version, now).await {
            Ok(Appended::Durable(kept)) => {
                self.advance.tell();
                let mut new = appends.iter().flat_map(|append| &append.events);
                if new.any(|new| store::is_for_inbox(&new.event.event_type)) {
                    self.advance.tell_inbox();
                }
                self.hand_on(&appends, &kept, unknown);
                return Ok(Some(kept));
            }
            Ok(Appended::StaleRoutes) => self.give_up(&appends, unknown),
            Err(error) => {
                self.give_up(&appends, unknown);
                return Err(error);
            }
        }
        // By the workers: the connection that it takes is one that others use.
        let routes = Arc::clone(&self.routes);
        let refreshed = self.supervisor.spawn(async move { routes.refresh().await });
        refreshed.await.map_err(|error| StoreError::Unavailable(error.to_string()))??;
        Ok(None)
    }

    /// Decides what is owed to whom. Where nobody can tell, the delivery is noted in `unknown`, with the reason.
    fn route(
        &self,
        Pending { draft, said, .. }: &Pending,
        routes: &Routes,
        unknown: &mut HashMap<DeliveryId, Why>,
        now: Timestamp,
    ) -> Append {
        let new = |(index, (event, dedupe_key)): (usize, &(Arc<Event>, Option<DedupeKey>))| {
            // A microsecond apart, as the events' ids are: what comes together is due in its order.
            let now = now.plus(Duration::from_micros(index as u64));
            let mut owed = |route: &Arc<Route>| match said.by(route, index) {
                Answer::Wanted(line) => Some(self.owed(event, route, line, now)),
                Answer::Unwanted => None,
                Answer::Unknown(why) => {
                    let delivery = self.owed_unknown(event, route, now);
                    unknown.insert(delivery.id, why);
                    Some(delivery)
                }
            };
            let deliveries = match &draft.owed {
                Owed::ToWhoWantsThem => routes.concerned(event).filter_map(&mut owed).collect(),
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

    /// What is written for a `route` that may or may not want the event: claimed, in order to be settled as failed
    /// right after the commit. Should the program die in between, it is delivered: an event too many, rather than one
    /// lost.
    fn owed_unknown(&self, event: &Event, route: &Route, now: Timestamp) -> Delivery {
        let id = DeliveryId::new(now, &mut chance::rng());
        let mut delivery =
            Delivery::owed_in_line(id, event, &route.subscription, None, Trigger::Initial, now);
        delivery.state = State::Processing(claim(self.deliverer.node(), now));
        delivery
    }

    /// Hands what was claimed to the deliverer, and tells it of what was not.
    fn hand_on(&self, appends: &[Append], kept: &[Kept], unknown: &HashMap<DeliveryId, Why>) {
        for (append, kept) in appends.iter().zip(kept) {
            let kept = match kept {
                Kept::Events(kept) => kept.as_slice(),
                Kept::KeyTaken => &[],
            };
            for (index, new) in append.events.iter().enumerate() {
                let is_new = kept.get(index).is_some_and(|kept| kept.is_new);
                for delivery in &new.deliveries {
                    if let Some(why) = unknown.get(&delivery.id) {
                        if is_new {
                            self.deliverer.fail_unsent(delivery.clone(), ErrorCode::Filter, why.to_string());
                        }
                        continue;
                    }
                    match (is_new, self.holds(delivery)) {
                        (true, true) => {
                            self.deliverer.admit(Job::alone(delivery.clone(), Arc::clone(&new.event)));
                        }
                        (true, false) => self.deliverer.note_waiting(delivery),
                        (false, true) => self.deliverer.release(delivery.subscription_id),
                        (false, false) => {}
                    }
                }
            }
        }
    }

    fn give_up(&self, appends: &[Append], unknown: &HashMap<DeliveryId, Why>) {
        let deliveries = appends.iter().flat_map(|append| &append.events).flat_map(|new| &new.deliveries);
        for delivery in deliveries.filter(|it| self.holds(it) && !unknown.contains_key(&it.id)) {
            self.deliverer.release(delivery.subscription_id);
        }
    }

    /// Whether the deliverer has a place reserved for it. A test delivery is claimed by whoever waits for its outcome.
    fn holds(&self, delivery: &Delivery) -> bool {
        delivery.claimed().is_some() && delivery.trigger != Trigger::Test
    }
}

impl Inbox {
    /// What goes into the next commit, at least one draft; nothing only when no more will come.
    async fn gather(&mut self) -> Vec<Pending> {
        self.turn_late_away();
        let Some(first) = self.first().await else { return Vec::new() };
        let mut bytes = first.draft.bytes();
        let mut batch = vec![first];
        // Where all cores are busy, requests that are just being read join in. Where one is idle, this waits for nothing.
        thread::yield_now();
        let room = room(self.drafts.len() + 1, self.taken_last);
        while batch.len() < room {
            let Ok(next) = self.drafts.try_recv() else { break };
            bytes += next.draft.bytes();
            if bytes > COMMIT_BYTES_MAX {
                self.carried_over = Some(next);
                break;
            }
            batch.push(next);
        }
        // Ids grow with time, so what is indexed by them is then added at its end.
        batch.sort_by_key(|pending| pending.draft.events.first().map(|(event, _)| event.id));
        self.taken_last = batch.len();
        batch
    }

    /// Drops those who have waited too long, so that their senders are told. They are the first in the line.
    fn turn_late_away(&mut self) {
        let now = Instant::now();
        while let Some(next) = self.carried_over.take().or_else(|| self.drafts.try_recv().ok()) {
            if now.duration_since(next.came) < APPEND_TIMEOUT {
                self.carried_over = Some(next);
                break;
            }
        }
    }

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
    /// The events that whoever wants them is owed.
    fn to_whom_it_concerns(&self) -> impl Iterator<Item = &Arc<Event>> + Clone {
        let is_for_all = matches!(self.owed, Owed::ToWhoWantsThem);
        self.events.iter().map(|(event, _)| event).filter(move |_| is_for_all)
    }

    fn bytes(&self) -> usize {
        let bytes = |event: &Event| event.data.as_str().len() + event.raw.as_ref().map_or(0, Vec::len);
        self.events.iter().map(|(event, _)| bytes(event)).sum()
    }
}

/// A claim by `node` from `now`.
pub(crate) fn claim(node: NodeId, now: Timestamp) -> Claim {
    Claim { holder: Holder::Node(node), deadline: now.plus(CLAIM_LASTS) }
}

/// How many drafts a batch may have: three quarters of those that are `waiting` and those that were `answered` last, whose
/// senders are likely to come again. Were all in one batch, nothing would be written while they are read, and nothing read
/// while they are written. Were it half of them, parts that have become smaller would stay so. Where as many come as are
/// answered, it is all that wait.
fn room(waiting: usize, answered: usize) -> usize {
    ((waiting + answered) * 3 / 4).clamp(APPENDS_PER_COMMIT_WHOLE, APPENDS_PER_COMMIT_MAX)
}

/// Those of a batch of which all is known that `routes` want to know. The others are asked again.
fn those_answered(batch: Vec<Pending>, routes: &Routes) -> Vec<Pending> {
    let mut answered = Vec::with_capacity(batch.len());
    for pending in batch {
        let mut events = pending.draft.to_whom_it_concerns().enumerate();
        if events.all(|(place, event)| pending.said.is_all(event, place, routes)) {
            drop(events);
            answered.push(pending);
        } else {
            drop(events);
            let _gone = pending.answer.send(Reply::AskAgain(pending.draft));
        }
    }
    answered
}

/// Whether there is anything to deliver.
fn owes(appends: &[Append]) -> bool {
    appends.iter().flat_map(|append| &append.events).any(|new| !new.deliveries.is_empty())
}

fn answer_all(batch: Vec<Pending>, outcomes: impl IntoIterator<Item = Result<Kept, StoreError>>) {
    for (pending, outcome) in batch.into_iter().zip(outcomes) {
        // Nobody listens any more when the client has gone away; the event is kept all the same.
        let _gone = pending.answer.send(Reply::Done(outcome.map_err(NotKept::from)));
    }
}

#[cfg(test)]
mod tests {
    use domain::alert::Rules;
    use domain::delivery::Status;
    use domain::event::Json;
    use futures::poll;
    use serde_json::{Value, json};
    use store::{DeliveryFilter, Page, StoredSubscription};

    use super::*;
    use crate::testing::{Parts, event, subscription};

    fn filtered(filter: Value) -> StoredSubscription {
        let mut stored = subscription(None);
        stored.subscription.terms.filter = Some(filter);
        stored
    }

    fn draft(data: &Value) -> Draft {
        let data = Json::from_text(&data.to_string()).unwrap();
        let event = Arc::new(Event { data, ..event("task.created", Timestamp::from_seconds(0)) });
        Draft { events: vec![(event, None)], idempotency: None, owed: Owed::ToWhoWantsThem }
    }

    /// What each is owed, by status.
    async fn owed<const N: usize>(parts: &Parts, to: [&StoredSubscription; N]) -> [Vec<Status>; N] {
        let all = parts.store.deliveries(&DeliveryFilter::default(), &Page::first(100)).await.unwrap();
        to.map(|stored| {
            let theirs = all.iter().filter(|it| it.subscription_id == stored.subscription.id);
            theirs.map(Delivery::status).collect()
        })
    }

    #[test]
    fn senders_who_come_again_and_again_are_split_in_two_parts_that_take_turns() {
        for (senders, parts) in [(64, [48, 16]), (512, [384, 128]), (600, [450, 150]), (1_024, [512, 512])] {
            // All come at once; later those whom a commit has answered come again while the next is written.
            let (mut waiting, mut answered) = (senders, 0);
            for _ in 0..20 {
                let taken = waiting.min(room(waiting, answered));
                (waiting, answered) = (waiting - taken + answered, taken);
            }
            assert_eq!([waiting, answered], parts, "of {senders} senders");
        }
        assert_eq!(room(3, 0), APPENDS_PER_COMMIT_WHOLE);
        assert_eq!(room(4_000, 512), APPENDS_PER_COMMIT_MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_hangs_is_waited_for_by_no_sender() {
        let parts = Parts::new(Rules::default(), &[]).await;
        let (log, committer) = Log::new(&parts.shared, parts.deliverer.clone());
        let append = || log.append(draft(&json!({})));
        let mut first = pin!(append());
        assert!(poll!(first.as_mut()).is_pending());
        let mut batch = committer.inbox.lock().await.gather().await;
        let (answer, hanging) = oneshot::channel();
        // Who comes later waits behind them, no longer than they did.
        let later = async {
            tokio::time::sleep(APPEND_TIMEOUT / 2).await;
            let came = Instant::now();
            let later = append().await;
            answer.send("late").unwrap();
            (later, came.elapsed())
        };
        let (written, first, (later, waited)) =
            tokio::join!(committer.in_time(&mut batch, hanging), first, later);
        assert!(matches!((first, later), (Err(NotKept::Busy), Err(NotKept::Busy))));
        assert!((APPEND_TIMEOUT..=APPEND_TIMEOUT + LATE_LOOKED_FOR_EVERY).contains(&waited), "{waited:?}");
        assert_eq!((written, batch.len()), (Ok("late"), 0));
        tokio::select! {
            kept = append() => assert!(kept.is_ok(), "it goes on"),
            () = committer.run() => panic!("it was not told to stop"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_waited_too_long_is_in_no_batch() {
        let parts = Parts::new(Rules::default(), &[]).await;
        let (log, committer) = Log::new(&parts.shared, parts.deliverer.clone());
        let (mut early, mut in_time) =
            (pin!(log.append(draft(&json!({})))), pin!(log.append(draft(&json!({})))));
        assert!(poll!(early.as_mut()).is_pending());
        tokio::time::advance(APPEND_TIMEOUT).await;
        assert!(poll!(in_time.as_mut()).is_pending());
        assert_eq!(committer.inbox.lock().await.gather().await.len(), 1);
        assert!(matches!(early.await, Err(NotKept::Busy)));
    }

    #[tokio::test]
    async fn who_changes_between_the_question_and_the_commit_is_asked_again() {
        let mut changes = filtered(json!({ "data.n": 1 }));
        let (stays, other) = (filtered(json!({ "data.n": 1 })), filtered(json!({ "data.n": 2 })));
        let parts = Parts::new(Rules::default(), &[changes.clone(), stays.clone(), other.clone()]).await;
        let (log, committer) = Log::new(&parts.shared, parts.deliverer.clone());
        let mut appended = pin!(log.append(draft(&json!({ "n": 1 }))));
        while committer.inbox.lock().await.drafts.is_empty() {
            assert!(poll!(appended.as_mut()).is_pending(), "nobody commits yet");
        }
        // One now wants something else, and one is new. The routes are found to be stale by the append itself.
        changes.subscription.terms.filter = Some(json!({ "data.n": 2 }));
        assert!(parts.store.change_subscription(&changes, Timestamp::from_seconds(0)).await.unwrap());
        let new = filtered(json!({ "data.n": { "$lt": 5 } }));
        parts.store.create_subscription(&new).await.unwrap();
        tokio::select! {
            kept = appended => assert!(matches!(kept, Ok(Kept::Events(_)))),
            () = committer.run() => panic!("it was not told to stop"),
        }
        let owed = owed(&parts, [&changes, &stays, &other, &new]).await;
        assert_eq!(owed.map(|owed| owed.len()), [0, 1, 0, 1]);
    }

    #[tokio::test]
    async fn what_no_filter_can_tell_is_claimed_for_its_end_alone() {
        let hard = filtered(json!({ "data.s": { "$regex": "[01]*1[01]{240}[b-y]" } }));
        let plain = subscription(Some("queue"));
        let parts = Parts::new(Rules::default(), &[hard.clone(), plain.clone()]).await;
        let (log, committer) = Log::new(&parts.shared, parts.deliverer.clone());
        tokio::select! {
            kept = log.append(draft(&json!({ "s": "01".repeat(20_000) }))) => assert!(kept.is_ok()),
            () = committer.run() => panic!("it was not told to stop"),
        }
        assert_eq!(owed(&parts, [&hard, &plain]).await, [[Status::Processing], [Status::Pending]]);
        let failed = async {
            while owed(&parts, [&hard]).await != [[Status::Failed]] {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            () = failed => {}
            () = parts.settler.run() => panic!("it was not told to stop"),
        }
        let of_hard =
            DeliveryFilter { subscription_id: Some(hard.subscription.id), ..DeliveryFilter::default() };
        let failed = &parts.store.deliveries(&of_hard, &Page::first(1)).await.unwrap()[0];
        let attempts = parts.store.attempts(failed.id).await.unwrap();
        assert_eq!((attempts.len(), attempts[0].error_code), (1, Some(ErrorCode::Filter)));
        assert!(failed.error.as_ref().unwrap().contains("steps"), "{failed:?}");
    }
}
