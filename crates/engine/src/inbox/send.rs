//! How a message is handed to its provider.
//!
//! A conversation in which something is to be sent has a task, and its messages go one after another, as they were
//! said. Before a message goes, the task remembers that it does: a provider may have taken it although its answer is
//! lost, and nobody wants to be told the same twice. Such a message usually comes back as an event of the provider's;
//! where it does not, it has failed, and whoever sent it decides.

use std::time::Duration;

use domain::conversation::{Change, Chat, Conversation, Message, News, What, apply};
use domain::{ConversationId, MessageId, Timestamp};
use http::StatusCode;
use providers::Settings;
use providers::api::{ApiAnswer, ApiCall, CallFailure, Token};
use providers::inbox::{self, Sending};
use serde::{Deserialize, Serialize};
use store::{Page, StoreError, StoredConnection, StoredConversation, Task};
use tokio_util::sync::CancellationToken;

use super::post::NotPosted;
use super::{Inbox, Telling};
use crate::connections::NotCalled;
use crate::deliver::NoAnswer;
use crate::limits::{
    API_CALL_TIMEOUT, INBOX_POLL_EVERY, SEND_LOST_AFTER, SEND_RETRY_AFTER, SEND_TRIES_MAX,
    SENDING_CONNECTIONS_MAX, SENDING_LOOKED_AT_MAX, SENDS_AT_ONCE_MAX, STORE_RETRY_AFTER, TASK_CLAIM_LASTS,
    TOKEN_ANSWER_BYTES_MAX,
};
use crate::tasks::{Looks, Tasks};

/// The kind of tasks that are conversations in which something is to be sent.
pub(super) const SEND: &str = "send messages";

/// What a task remembers of the message that is next.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Memory {
    message: MessageId,
    /// How often it was tried and not taken.
    tries: u16,
    /// When it was sent without an answer so far, in microseconds.
    asked_at: Option<i64>,
    /// Not taken: before when it is not to be tried again, in microseconds.
    #[serde(default)]
    not_before: Option<i64>,
}

impl Memory {
    const fn of(message: MessageId) -> Self {
        Self { message, tries: 0, asked_at: None, not_before: None }
    }

    /// Until when there is nothing to do, whoever calls.
    fn rests_until(&self) -> Option<Timestamp> {
        let lost_at = self.asked_at.map(|at| Timestamp::from_micros(at).plus(SEND_LOST_AFTER));
        lost_at.or(self.not_before.map(Timestamp::from_micros))
    }
}

/// What has become of a try.
enum Outcome {
    Sent(Option<String>),
    /// The provider did not take it, and may the next time.
    NotYet(String, Option<Duration>),
    /// It will not take it.
    Failed(String),
    /// Nobody knows.
    Lost,
}

impl Inbox {
    /// Sends what falls due until the program is told to stop.
    pub(super) async fn keep_sending(&self, stopping: &CancellationToken) {
        let (store, clock) = (&*self.store, &*self.clock);
        let (kind, at_once) = (SEND.to_owned(), SENDS_AT_ONCE_MAX);
        let sends = Tasks { store, clock, kind, at_once, together: 1 };
        let apart = STORE_RETRY_AFTER / 10;
        let looks = Looks { every: INBOX_POLL_EVERY, apart, bell: &self.to_send, stopping };
        sends.keep_running(&looks, |task| self.run(task)).await;
    }

    async fn run(&self, task: Task) {
        if let Err(error) = self.send_next(&task).await {
            // The claim lapses, and the task falls due again.
            tracing::warn!(%error, conversation = task.subject, "a message could not be sent yet");
        }
    }

    /// Sends the next message of a conversation.
    async fn send_next(&self, task: &Task) -> Result<(), NotPosted> {
        let Some((conversation, message)) = self.next(task).await? else {
            // Nothing to do until somebody calls.
            let never = Timestamp::from_micros(i64::MAX);
            return Ok(self.store.settle_task(task, never, "").await.map(drop)?);
        };
        let memory = serde_json::from_str(&task.memory).ok();
        let memory = memory.filter(|memory: &Memory| memory.message == message.id);
        let memory = memory.unwrap_or(Memory::of(message.id));
        let now = self.clock.now();
        if let Some(until) = memory.rests_until().filter(|until| *until > now) {
            return self.put_off(task, memory, until).await;
        }
        if memory.asked_at.is_some() {
            let why = "the provider's answer was lost: it may have been sent";
            self.failed(&conversation, message, why).await?;
            return self.look_again(task).await;
        }
        let asked = Memory { asked_at: Some(now.as_micros()), ..memory };
        if !self.store.keep_task(task, now.plus(TASK_CLAIM_LASTS), &written(asked)).await? {
            return Ok(());
        }
        match self.ask(&conversation, &message).await? {
            Outcome::Sent(provider_id) => self.sent(&conversation, message, provider_id).await?,
            Outcome::Failed(why) => self.failed(&conversation, message, &why).await?,
            Outcome::Lost => return self.put_off(task, asked, now.plus(SEND_LOST_AFTER)).await,
            Outcome::NotYet(why, _) if memory.tries + 1 >= SEND_TRIES_MAX => {
                self.failed(&conversation, message, &why).await?;
            }
            Outcome::NotYet(_, asked_for) => {
                let gap = SEND_RETRY_AFTER * 2_u32.pow(memory.tries.into());
                let gap = gap.max(asked_for.unwrap_or_default().min(SEND_RETRY_AFTER * 3_600));
                let until = self.clock.now().plus(gap);
                let again = Memory {
                    tries: memory.tries + 1,
                    not_before: Some(until.as_micros()),
                    ..Memory::of(memory.message)
                };
                return self.put_off(task, again, until).await;
            }
        }
        self.look_again(task).await
    }

    /// The message is done with, and another may wait behind it.
    async fn look_again(&self, task: &Task) -> Result<(), NotPosted> {
        Ok(self.store.settle_task(task, self.clock.now(), "").await.map(drop)?)
    }

    /// The message that is next in the conversation of a task.
    async fn next(&self, task: &Task) -> Result<Option<(StoredConversation, Message)>, StoreError> {
        let Ok(id) = task.subject.parse::<ConversationId>() else { return Ok(None) };
        let Some(conversation) = self.store.conversation(id).await? else { return Ok(None) };
        let waiting = self.store.sending_messages(id, SENDING_LOOKED_AT_MAX).await?;
        let first = waiting.into_iter().map(|stored| stored.message);
        let first = first.min_by_key(|message| (message.created_at, message.id));
        Ok(first.map(|message| (conversation, message)))
    }

    /// Tries once.
    async fn ask(&self, stored: &StoredConversation, message: &Message) -> Result<Outcome, StoreError> {
        let conversation = &stored.conversation;
        let Some(chat) = &conversation.source else {
            return Ok(Outcome::Failed("the conversation goes on nowhere".to_owned()));
        };
        match inbox::sending(&chat.provider) {
            Some(Sending::ByOperator(send)) => self.ask_as_operator(conversation, chat, message, send).await,
            Some(Sending::ByUser(send)) => self.ask_as_user(conversation, chat, message, send).await,
            None => Ok(Outcome::Failed(format!("nothing can be sent through {}", chat.provider))),
        }
    }

    async fn ask_as_operator(
        &self,
        conversation: &Conversation,
        chat: &Chat,
        message: &Message,
        send: fn(&Chat, &Message, &Settings) -> Option<ApiCall>,
    ) -> Result<Outcome, StoreError> {
        let connected = self.store.connections_to(&chat.provider, &chat.account_id).await?;
        if !connected.iter().any(|stored| stored.connection.user_id == conversation.user_id) {
            return Ok(Outcome::Failed("the account is not connected any more".to_owned()));
        }
        let Some(call) = send(chat, message, &self.settings) else {
            return Ok(Outcome::Failed(format!("no key for {}'s API is set", chat.provider)));
        };
        let answered = self.client.call(call, TOKEN_ANSWER_BYTES_MAX, API_CALL_TIMEOUT).await;
        Ok(outcome(answered.map(|answer| read(&chat.provider, &answer, self.clock.now()))))
    }

    /// By each of the user's connections to the provider, until one takes it: a chat does not say by which of them it
    /// is seen.
    async fn ask_as_user(
        &self,
        conversation: &Conversation,
        chat: &Chat,
        message: &Message,
        send: fn(&Chat, &Message, &Settings, &Token) -> ApiCall,
    ) -> Result<Outcome, StoreError> {
        let page = Page::first(SENDING_CONNECTIONS_MAX);
        let connected = self.store.connections(Some(&conversation.user_id), &page).await?;
        let of_provider = |stored: &StoredConnection| {
            stored.connection.provider == chat.provider && stored.connection.state.is_in_use()
        };
        let mut last = Outcome::Failed(format!("no account at {} is connected", chat.provider));
        for stored in connected.into_iter().filter(of_provider) {
            let ask = |settings: &Settings, token: &Token| send(chat, message, settings, token);
            // Of what the provider says only a token that it does not take is a reason to ask again.
            let read = |answer: &ApiAnswer, now| match read(&chat.provider, answer, now) {
                Err(refused @ CallFailure::TokenRefused(_)) => Err(refused),
                said => Ok(said),
            };
            let id = stored.connection.id;
            let called = self.connections.call_once_for(id, TOKEN_ANSWER_BYTES_MAX, ask, read).await;
            last = match called {
                Ok(answered) => outcome(answered),
                Err(NotCalled::Failed(CallFailure::Passing { reason, retry_after })) => {
                    Outcome::NotYet(reason, retry_after)
                }
                Err(NotCalled::Store(error)) => return Err(error),
                Err(not_called) => Outcome::Failed(not_called.to_string()),
            };
            if !matches!(last, Outcome::Failed(_)) {
                break;
            }
        }
        Ok(last)
    }

    async fn put_off(&self, task: &Task, memory: Memory, until: Timestamp) -> Result<(), NotPosted> {
        Ok(self.store.settle_task(task, until, &written(memory)).await.map(drop)?)
    }

    async fn sent(
        &self,
        to: &StoredConversation,
        message: Message,
        provider_id: Option<String>,
    ) -> Result<(), NotPosted> {
        let what = What::Sent { provider_id: provider_id.clone() };
        let tellings = self.settled(to, message, what, |telling| match &provider_id {
            Some(id) => telling.with("provider_message_id", id.as_str()),
            None => telling,
        });
        self.tell_settled(tellings).await
    }

    async fn failed(&self, to: &StoredConversation, message: Message, why: &str) -> Result<(), NotPosted> {
        tracing::info!(message = %message.id, why, "a message was not sent");
        let tellings = self.settled(to, message, What::Failed, |telling| telling.with("reason", why));
        self.tell_settled(tellings).await
    }

    /// What there is to tell of a message that waits no more.
    fn settled(
        &self,
        to: &StoredConversation,
        mut message: Message,
        what: What,
        say_more: impl Fn(Telling) -> Telling,
    ) -> Vec<Telling> {
        let now = self.now();
        let change = Change { what, by: message.created_by.clone(), at: now, kept_at: now };
        let news = apply(&mut to.conversation.clone(), &mut message, &change);
        let tell = |news: News| {
            let telling = Telling::of(news, &to.conversation, &message, "sending", now);
            if matches!(news, News::Sent | News::Failed) { say_more(telling) } else { telling }
        };
        news.into_iter().map(tell).collect()
    }

    async fn tell_settled(&self, tellings: Vec<Telling>) -> Result<(), NotPosted> {
        let now = self.clock.now();
        let events: Vec<_> = tellings.into_iter().map(|telling| telling.event(now)).collect();
        let first = events.first().map(|(event, _)| std::sync::Arc::clone(event));
        self.keep_events(events).await?;
        match first {
            Some(event) => Ok(self.take_now(&event).await?),
            None => Ok(()),
        }
    }
}

/// What the provider says to a message: its name there. What is only passing counts as not taken where the status says
/// so.
fn read(provider: &str, answer: &ApiAnswer, now: Timestamp) -> Result<Option<String>, CallFailure> {
    let was_not_taken =
        matches!(answer.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
    match inbox::read_sent(provider, answer, now) {
        // It was a success, whatever it says.
        Err(CallFailure::Unreadable(_)) => Ok(None),
        Err(CallFailure::Passing { reason, retry_after }) if was_not_taken => {
            Err(CallFailure::Exhausted { reason, retry_after: retry_after.unwrap_or_default() })
        }
        read => read,
    }
}

fn outcome(answered: Result<Result<Option<String>, CallFailure>, NoAnswer>) -> Outcome {
    match answered {
        Ok(Ok(provider_id)) => Outcome::Sent(provider_id),
        Ok(Err(CallFailure::Exhausted { reason, retry_after })) => Outcome::NotYet(reason, Some(retry_after)),
        Ok(Err(CallFailure::Passing { .. })) | Err(NoAnswer::Lost(_)) => Outcome::Lost,
        Ok(Err(failure)) => Outcome::Failed(failure.to_string()),
        Err(NoAnswer::NotSent(failure)) => Outcome::NotYet(failure.message, None),
    }
}

fn written(memory: Memory) -> String {
    serde_json::to_string(&memory).unwrap_or_default()
}
