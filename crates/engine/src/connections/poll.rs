//! Asking providers for what is new, where they do not say so by themselves, or may have failed to.
//!
//! Each connection of a provider that is asked has a task, which remembers its cursor. The cursor moves once the events
//! before it are durable; a node that dies between has them asked for again, and they are known by their ids.

use std::sync::Arc;
use std::time::Duration;

use domain::event::DedupeKey;
use domain::limits::RETRY_AFTER_SECONDS_MAX;
use domain::{Connection, ConnectionId, Event, EventId, Timestamp};
use providers::api::{ApiAnswer, CallFailure, Token};
use providers::{InboundEvent, Next, POLLABLE, Page, Pollable, Settings, Walk, pollable};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{Due, Kept, StoreError, StoredConnection, Task};

use super::sync::Outcome;
use super::{Connections, NotCalled, Tokens};
use crate::chance;
use crate::limits::{
    API_ANSWER_BYTES_MAX, CURSOR_BYTES_MAX, POLL_FAILURES_UNTOLD, POLL_PAGES_MAX, POLL_RETRY_AFTER,
    POLL_RETRY_AFTER_MAX, POLLS_AT_ONCE_MAX, POLLS_LOOKED_AT_EVERY, TASK_CLAIM_LASTS,
};
use crate::log::{Draft, Owed};
use crate::supervise::Supervisor;
use crate::tasks::Tasks;

/// The tasks of one provider are a kind of their own, so that one that hangs holds up no other.
pub(super) fn kind(provider: &str) -> String {
    format!("poll {provider}")
}

/// When somebody is polled who is not.
fn never() -> Timestamp {
    Timestamp::from_micros(i64::MAX)
}

/// Whether there is something to ask with.
pub(super) fn can_be_asked(provider: &dyn Pollable, tokens: &Tokens) -> bool {
    !provider.needs_token() || *tokens != Tokens::default()
}

/// A connection that is being polled.
struct Poll {
    provider: &'static dyn Pollable,
    stored: StoredConnection,
    /// Whether `stored` is as it was read just now.
    is_fresh: bool,
    task: Task,
    memory: Memory,
}

/// What a task remembers between two calls. Times are microseconds since the Unix epoch, 0 where there is none.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Memory {
    /// What the provider has said last.
    cursor: Value,
    /// Calls that have failed since the last that did not.
    failures: u16,
    /// Until when the provider wants to be left alone.
    rests_until: i64,
    /// When the walk that is under way began.
    began_at: i64,
    /// How many events it has brought.
    found: u64,
    /// Whether somebody may wait for its end.
    is_awaited: bool,
}

/// Whether a poll has more to do now.
#[derive(PartialEq)]
enum Step {
    GoesOn,
    Ends,
}

impl Connections {
    /// Polls what falls due, for as long as `supervisor` lets it: a loop for each provider.
    pub(crate) fn keep_polling(self: &Arc<Self>, supervisor: &Supervisor) {
        for &provider in POLLABLE {
            let (connections, stopping) = (Arc::clone(self), supervisor.stopping());
            supervisor.keep("poll", move || {
                let (connections, stopping) = (Arc::clone(&connections), stopping.clone());
                async move {
                    let looks = connections.looks(provider.name(), POLLS_LOOKED_AT_EVERY, &stopping);
                    let run = |task| connections.poll(provider, task);
                    connections.polls(provider).keep_running(&looks, run).await;
                }
            });
        }
    }

    /// Polls all that is due now, of all providers.
    ///
    /// # Errors
    /// The store is away.
    pub async fn poll_all(self: &Arc<Self>) -> Result<(), StoreError> {
        for &provider in POLLABLE {
            self.polls(provider).run_due(|task| self.poll(provider, task)).await?;
        }
        Ok(())
    }

    fn polls(&self, provider: &dyn Pollable) -> Tasks<'_> {
        self.tasks(kind(provider.name()), POLLS_AT_ONCE_MAX)
    }

    /// When a connection that has just been authorised is polled: at once, so that there is a cursor from which on
    /// nothing is missed. One that is never polled by itself has a task all the same, which can be rung for. Without
    /// tokens there is nothing to ask with.
    pub(super) fn poll_due(&self, connection: &Connection, tokens: &Tokens) -> Option<Due> {
        let provider =
            self.pollable(&connection.provider).filter(|provider| can_be_asked(*provider, tokens))?;
        let at = if self.poll_every(provider, connection).is_zero() { never() } else { self.clock.now() };
        Some(Due { kind: kind(provider.name()), at: Some(at) })
    }

    /// Who is asked about accounts at a provider.
    pub(super) fn pollable(&self, provider: &str) -> Option<&'static dyn Pollable> {
        pollable(provider).map(|provider| self.asked_for(provider))
    }

    /// `provider`, or who is asked in its place.
    fn asked_for(&self, provider: &'static dyn Pollable) -> &'static dyn Pollable {
        provider.instead(self.settings(provider.name())).unwrap_or(provider)
    }

    /// How often a connection is polled; zero: only when somebody asks for it.
    fn poll_every(&self, provider: &dyn Pollable, connection: &Connection) -> Duration {
        if let Some(seconds) = connection.settings.poll_seconds {
            return Duration::from_secs(seconds.into());
        }
        self.care.poll_every.get(provider.name()).copied().unwrap_or_else(|| provider.every())
    }

    async fn poll(self: &Arc<Self>, provider: &'static dyn Pollable, task: Task) {
        if let Err(error) = self.poll_connection(provider, task).await {
            // The claim lapses, and the task falls due again.
            tracing::warn!(%error, provider = provider.name(), "what a poll brought could not be written down yet");
        }
    }

    async fn poll_connection(
        self: &Arc<Self>,
        provider: &'static dyn Pollable,
        task: Task,
    ) -> Result<(), StoreError> {
        let id: Option<ConnectionId> = task.subject.parse().ok();
        let Some(id) = id else { return Ok(()) };
        let Some(stored) = self.store.connection(id).await? else { return Ok(()) };
        let mut memory: Memory = serde_json::from_str(&task.memory).unwrap_or_default();
        memory.is_awaited |= task.rings > 0;
        let provider = self.asked_for(provider);
        let mut poll = Poll { provider, stored, is_fresh: true, task, memory };
        if !poll.stored.connection.state.is_in_use() {
            return self.park(&mut poll).await;
        }
        let rests_until = Timestamp::from_micros(poll.memory.rests_until);
        if rests_until > self.clock.now() {
            return self.settle(&poll, rests_until).await;
        }
        if poll.memory.began_at == 0 {
            poll.memory.began_at = self.clock.now().as_micros();
        }
        for _ in 0..POLL_PAGES_MAX {
            if self.step(&mut poll).await? == Step::Ends {
                return Ok(());
            }
        }
        self.settle(&poll, self.clock.now()).await
    }

    /// Asks for one page, and keeps what it brings.
    async fn step(self: &Arc<Self>, poll: &mut Poll) -> Result<Step, StoreError> {
        let is_fresh = std::mem::take(&mut poll.is_fresh);
        let Poll { provider, stored, memory, .. } = &*poll;
        let connection = &stored.connection;
        let walk = Walk {
            user_id: connection.user_id.as_str(),
            account_id: &connection.account_id,
            connected_at: connection.created_at,
            cursor: &memory.cursor,
        };
        if let Some(until) = self.paces.take_turn(*provider, &walk, self.clock.now()) {
            self.settle(poll, until).await?;
            return Ok(Step::Ends);
        }
        let called = if provider.needs_token() {
            let ask = |settings: &Settings, token: &Token| provider.ask(settings, token, &walk);
            let read = |answer: &ApiAnswer, now| provider.read(&walk, answer, now);
            if is_fresh {
                self.call_as(stored.clone(), API_ANSWER_BYTES_MAX, ask, read).await
            } else {
                self.call_for(connection.id, API_ANSWER_BYTES_MAX, ask, read).await
            }
        } else {
            self.ask_without_token(*provider, &walk).await.map_err(NotCalled::Failed)
        };
        match called {
            Ok(page) => return self.take(poll, page).await,
            Err(NotCalled::Failed(failure)) => self.put_off(poll, &failure).await?,
            Err(NotCalled::NotInUse | NotCalled::DoesNotOpen(_)) => self.park(poll).await?,
            Err(NotCalled::Gone) => {}
            Err(NotCalled::Store(error)) => return Err(error),
        }
        Ok(Step::Ends)
    }

    /// Asks where no token of the user's is shown: somebody else keeps it.
    async fn ask_without_token(&self, provider: &dyn Pollable, walk: &Walk<'_>) -> Result<Page, CallFailure> {
        let call = provider.ask(self.settings(provider.name()), &Token::new(""), walk);
        let answer = self.call_api(call, API_ANSWER_BYTES_MAX).await?;
        provider.read(walk, &answer, self.clock.now())
    }

    /// Keeps what a page holds, and then moves the cursor.
    async fn take(&self, poll: &mut Poll, page: Page) -> Result<Step, StoreError> {
        poll.memory.found += self.keep_events(&poll.stored, page.events).await?;
        let now = self.clock.now();
        let Memory { cursor, failures, rests_until, .. } = &mut poll.memory;
        (*cursor, *failures) = (page.cursor, 0);
        *rests_until = page.wait.map_or(0, |wait| now.plus(wait).as_micros());
        match (page.next, page.wait) {
            (Next::Done, wait) => {
                self.finish(poll, now, wait.unwrap_or_default()).await?;
                Ok(Step::Ends)
            }
            (Next::More, Some(wait)) => {
                self.settle(poll, now.plus(wait)).await?;
                Ok(Step::Ends)
            }
            (Next::More, None) => {
                let deadline = now.plus(TASK_CLAIM_LASTS);
                let is_still_ours = self.store.keep_task(&poll.task, deadline, &poll.memory.text()?).await?;
                Ok(if is_still_ours { Step::GoesOn } else { Step::Ends })
            }
        }
    }

    /// Makes events durable; how many of them are new.
    async fn keep_events(
        &self,
        stored: &StoredConnection,
        events: Vec<InboundEvent>,
    ) -> Result<u64, StoreError> {
        if events.is_empty() {
            return Ok(0);
        }
        let now = self.clock.now();
        let events = events.into_iter().enumerate();
        let events = events.map(|(index, inbound)| event(stored, inbound, index, now)).collect();
        let draft = Draft { events, idempotency: None, owed: Owed::ToWhoWantsThem };
        let kept = self.log.append(draft).await;
        match kept.map_err(|error| StoreError::Unavailable(error.to_string()))? {
            Kept::Events(kept) => Ok(kept.iter().filter(|kept| kept.is_new).count() as u64),
            Kept::KeyTaken => Ok(0),
        }
    }

    /// A walk has come to its end.
    async fn finish(&self, poll: &mut Poll, now: Timestamp, wait: Duration) -> Result<(), StoreError> {
        if poll.stored.connection.polled(now) {
            // Whoever has changed it since knows more than this.
            self.store.change_connection(&poll.stored, &[]).await?;
        }
        let is_owed_another = self.answer_syncs(poll, &Outcome::Done).await?;
        let Memory { began_at, found, is_awaited, .. } = &mut poll.memory;
        (*began_at, *found, *is_awaited) = (0, 0, is_owed_another);
        let every = if is_owed_another {
            Duration::ZERO
        } else {
            spread(self.poll_every(poll.provider, &poll.stored.connection))
        };
        let is_never = every.is_zero() && !is_owed_another;
        let due_at = if is_never { never() } else { now.plus(every.max(wait)) };
        let memory = poll.memory.text()?;
        let settled = (&poll.task, due_at, memory.as_str());
        self.store.finish_sync(settled, (poll.stored.connection.id, now)).await.map(drop)
    }

    /// A call has brought nothing. The walk goes on from where it is once there is a reason to think that it can.
    async fn put_off(&self, poll: &mut Poll, failure: &CallFailure) -> Result<(), StoreError> {
        let (now, id) = (self.clock.now(), poll.stored.connection.id);
        tracing::debug!(connection = %id, %failure, "a poll failed");
        poll.memory.failures = poll.memory.failures.saturating_add(1);
        let is_for_good = matches!(failure, CallFailure::Refused(_) | CallFailure::Unreadable(_));
        let has_failed_often = poll.memory.failures >= POLL_FAILURES_UNTOLD;
        if is_for_good || has_failed_often {
            self.answer_syncs(poll, &Outcome::Failed(failure.to_string())).await?;
            poll.memory.is_awaited = false;
        }
        if matches!(failure, CallFailure::TokenRefused(_)) && has_failed_often {
            return self.give_up_on(poll, failure).await;
        }
        let due_at = self.next_try_at(poll, failure, now).await?;
        if is_for_good || has_failed_often {
            self.tell_of_failure(&mut poll.stored, failure, now).await?;
        }
        self.settle(poll, due_at).await
    }

    /// Not even fresh tokens are taken.
    async fn give_up_on(&self, poll: &Poll, failure: &CallFailure) -> Result<(), StoreError> {
        let former = &poll.stored.connection;
        // As it is by now: those tokens have been written down since.
        let Some(mut stored) = self.store.connection(former.id).await? else { return Ok(()) };
        let is_same_grant = stored.connection.authorized_at == former.authorized_at;
        // A refresh that is under way must not be overtaken: its answer would be lost.
        if !is_same_grant || stored.connection.refresh.begun_at.is_some() {
            return self.settle(poll, self.clock.now().plus(POLL_RETRY_AFTER)).await;
        }
        stored.connection.give_up(failure.to_string(), self.clock.now());
        self.give_up(stored).await?;
        self.settle(poll, never()).await
    }

    async fn next_try_at(
        &self,
        poll: &mut Poll,
        failure: &CallFailure,
        now: Timestamp,
    ) -> Result<Timestamp, StoreError> {
        let every = self.poll_every(poll.provider, &poll.stored.connection);
        let usual = if every.is_zero() { POLL_RETRY_AFTER_MAX } else { every };
        let backoff = spread(backoff(poll.memory.failures).min(usual));
        let asked = |span: Duration| now.plus(span.min(Duration::from_secs(RETRY_AFTER_SECONDS_MAX.into())));
        Ok(match failure {
            CallFailure::Refused(_) | CallFailure::Unreadable(_) => now.plus(spread(usual)),
            CallFailure::Exhausted { retry_after, .. } => {
                let until = asked(*retry_after);
                self.rest_polls(poll.provider.name(), until).await?;
                until
            }
            CallFailure::Passing { retry_after: Some(span), .. } => {
                poll.memory.rests_until = asked(*span).as_micros();
                asked(*span).max(now.plus(backoff))
            }
            CallFailure::Passing { .. } | CallFailure::TokenRefused(_) => now.plus(backoff),
        })
    }

    async fn tell_of_failure(
        &self,
        stored: &mut StoredConnection,
        failure: &CallFailure,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        // A refresh that is under way must not be overtaken: its answer would be lost.
        let is_refreshing = stored.connection.refresh.begun_at.is_some();
        let is_known = stored.connection.state_reason.as_deref() == Some(failure.to_string().as_str());
        if is_refreshing || is_known {
            return Ok(());
        }
        stored.connection.degrade(failure.to_string(), now);
        self.store.change_connection(stored, &[]).await.map(drop)
    }

    /// The provider is not to be called any more. The task stays, and remembers where it was: authorising the
    /// connection again makes it due.
    async fn park(&self, poll: &mut Poll) -> Result<(), StoreError> {
        let why = "the connection has to be authorised again".to_owned();
        self.answer_syncs(poll, &Outcome::Failed(why)).await?;
        poll.memory.is_awaited = false;
        self.settle(poll, never()).await
    }

    async fn settle(&self, poll: &Poll, due_at: Timestamp) -> Result<(), StoreError> {
        self.store.settle_task(&poll.task, due_at, &poll.memory.text()?).await.map(drop)
    }

    /// Ends the jobs that wait for this poll; whether some wait for another, since they came after this one had begun.
    async fn answer_syncs(&self, poll: &Poll, outcome: &Outcome) -> Result<bool, StoreError> {
        if !poll.memory.is_awaited {
            return Ok(false);
        }
        let began_at = Timestamp::from_micros(poll.memory.began_at);
        self.end_syncs(poll.stored.connection.id, began_at, poll.memory.found, outcome).await
    }

    /// Has nobody asked at a provider for a while, by whatever node: what was used up belongs to the whole application.
    async fn rest_polls(&self, provider: &str, until: Timestamp) -> Result<(), StoreError> {
        if self.store.rest_tasks(&kind(provider), until, "").await? {
            tracing::warn!(provider, %until, "the provider was asked too often; its polls rest");
        }
        Ok(())
    }
}

impl Memory {
    fn text(&self) -> Result<String, StoreError> {
        let text = serde_json::to_string(self).map_err(|error| StoreError::Refused(error.to_string()))?;
        let is_bounded = text.len() <= CURSOR_BYTES_MAX;
        is_bounded.then_some(text).ok_or_else(|| StoreError::Refused("a cursor is too long".to_owned()))
    }
}

/// 5 s, doubling.
fn backoff(failures: u16) -> Duration {
    let doublings = u32::from(failures.saturating_sub(1)).min(16);
    (POLL_RETRY_AFTER * (1 << doublings)).min(POLL_RETRY_AFTER_MAX)
}

/// Up to a tenth longer, so that those who connected together are not polled together for ever.
fn spread(span: Duration) -> Duration {
    let tenth = u64::try_from(span.as_millis() / 10).unwrap_or(u64::MAX);
    span + Duration::from_millis(rand::Rng::next_u64(&mut chance::rng()) % (tenth + 1))
}

fn event(
    stored: &StoredConnection,
    inbound: InboundEvent,
    index: usize,
    now: Timestamp,
) -> (Arc<Event>, Option<DedupeKey>) {
    let Connection { provider, user_id, .. } = &stored.connection;
    // As what the provider sends: the same thing told both ways is one event.
    let dedupe_key = DedupeKey::new(provider, Some(user_id), &inbound.dedupe_id);
    let event = Event {
        // A microsecond apart, so that they are listed and delivered in their order.
        id: EventId::new(now.plus(Duration::from_micros(index as u64)), &mut chance::rng()),
        event_type: inbound.event_type,
        user_id: Some(user_id.clone()),
        source: provider.clone().into(),
        provider: Some(provider.clone().into()),
        occurred_at: inbound.occurred_at.unwrap_or(now),
        received_at: now,
        data: inbound.data,
        raw: None,
    };
    (Arc::new(event), Some(dedupe_key))
}
