//! How tokens stay fresh.
//!
//! Each connection whose token expires has a task, due some time before. Whoever claims it is the only one on any node
//! to refresh that connection. What is about to be asked is written down before it is asked, since many providers take
//! the old refresh token no longer once they have answered: if the answer is lost, the next to try knows that it was.
//! What comes is written down before anybody uses it.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::connection::{Next, RefreshFailure};
use domain::{Connection, ConnectionId, Timestamp};
use providers::api::Token;
use providers::oauth::{Application, Grant, OAuth};
use providers::{CONNECTABLE, Connectable, connectable};
use store::{StoreError, StoredConnection, Task};
use tokio_util::sync::CancellationToken;

use super::{Connections, Tokens};
use crate::chance;
use crate::limits::{
    APPLICATION_RESTS, CONSENT_WARNED_DAYS, REFRESHES_AT_ONCE_MAX, STORE_RETRY_AFTER, TASK_CLAIM_LASTS,
};
use crate::news::News;
use crate::supervise::Supervisor;
use crate::tasks::Tasks;

/// The tasks of one provider are a kind of their own, so that one that hangs holds up no other.
pub(super) fn kind(provider: &str) -> String {
    format!("refresh {provider}")
}

const DAY: Duration = Duration::from_secs(86_400);

/// What is at hand when a connection is refreshed.
struct Ready {
    stored: StoredConnection,
    tokens: Tokens,
    oauth: &'static OAuth,
}

impl Connections {
    /// Refreshes what falls due, for as long as `supervisor` lets it: a loop for each provider.
    pub(crate) fn keep_fresh(self: &Arc<Self>, supervisor: &Supervisor) {
        for &provider in CONNECTABLE.iter().filter(|provider| provider.oauth().is_some()) {
            let (connections, stopping) = (Arc::clone(self), supervisor.stopping());
            supervisor.keep("refresh tokens", move || {
                let (connections, stopping) = (Arc::clone(&connections), stopping.clone());
                async move {
                    connections.wake(provider, &stopping).await;
                    let looks = connections.looks(provider.name(), connections.care.refresh_every, &stopping);
                    let run = |task| connections.refresh(provider, task);
                    connections.refreshes(provider).keep_running(&looks, run).await;
                }
            });
        }
    }

    /// Refreshes all that is due now, of all providers.
    ///
    /// # Errors
    /// The store is away. What was begun lies there to be gone on with.
    pub async fn refresh_all(self: &Arc<Self>) -> Result<(), StoreError> {
        for &provider in CONNECTABLE.iter().filter(|provider| provider.oauth().is_some()) {
            self.refresh_provider(provider).await?;
        }
        Ok(())
    }

    /// Refreshes what is due at one provider, a few at a time.
    pub(super) async fn refresh_provider(
        self: &Arc<Self>,
        provider: &'static dyn Connectable,
    ) -> Result<(), StoreError> {
        self.refreshes(provider).run_due(|task| self.refresh(provider, task)).await
    }

    fn refreshes(&self, provider: &dyn Connectable) -> Tasks<'_> {
        self.tasks(kind(provider.name()), REFRESHES_AT_ONCE_MAX)
    }

    /// Refreshes the connection of a task. It goes on though nobody waits for it any more: what the provider answers is
    /// nowhere else.
    async fn refresh(self: &Arc<Self>, provider: &'static dyn Connectable, task: Task) {
        let connections = Arc::clone(self);
        #[expect(
            clippy::disallowed_methods,
            reason = "it ends when it is kept, and whoever looks waits for it"
        )]
        let refreshed =
            tokio::spawn(async move { connections.refresh_connection(provider, &task).await }).await;
        let refreshed = refreshed.unwrap_or_else(|error| Err(StoreError::Unavailable(error.to_string())));
        if let Err(error) = refreshed {
            // The claim lapses, and the task falls due again.
            tracing::warn!(%error, provider = provider.name(), "a refresh could not be written down yet");
        }
    }

    async fn refresh_connection(
        &self,
        provider: &'static dyn Connectable,
        task: &Task,
    ) -> Result<(), StoreError> {
        let Some(mut ready) = self.load(provider, task).await? else { return Ok(()) };
        let Some(refresh_token) = ready.tokens.refresh_token.clone() else {
            ready.stored.connection.ran_out(self.clock.now());
            return self.give_up(ready.stored).await;
        };
        // Whoever needs a token has the task due anew, also one that is claimed: then somebody else asks. From here on
        // they see that it has begun, or what they saw is not current any more.
        if !self.store.keep_task(task, self.clock.now().plus(TASK_CLAIM_LASTS), "").await? {
            return Ok(());
        }
        let was_lost = ready.stored.connection.begin_refresh(self.clock.now());
        if !self.store.change_connection(&ready.stored, &[]).await? {
            // Somebody has changed it since: authorised it again, or noted how a poll went.
            return Ok(());
        }
        ready.stored.revision += 1;
        match self.ask(provider, ready.oauth, &refresh_token).await {
            Ok(grant) => self.keep(ready, grant).await,
            Err(failure) => self.note(provider, ready.stored, &failure, was_lost).await,
        }
    }

    /// The connection of a task, if there is something to refresh. If not, the task is put off or gone.
    async fn load(
        &self,
        provider: &'static dyn Connectable,
        task: &Task,
    ) -> Result<Option<Ready>, StoreError> {
        let id: Option<ConnectionId> = task.subject.parse().ok();
        let stored = match id {
            Some(id) => self.store.connection(id).await?,
            None => None,
        };
        let (Some(mut stored), Some(oauth)) = (stored, provider.oauth()) else { return Ok(None) };
        let now = self.clock.now();
        match Tokens::open(&self.vault, &stored) {
            Ok(tokens) => {
                let due = self.refresh_due(&stored.connection, &tokens);
                // It has been refreshed since, or must not be.
                if due.at.is_none_or(|at| at > now) && stored.connection.refresh.failures == 0 {
                    self.store.change_connection(&stored, &[due]).await?;
                    return Ok(None);
                }
                Ok(Some(Ready { stored, tokens, oauth }))
            }
            Err(error) => {
                tracing::error!(connection = %stored.connection.id, %error, "left out");
                stored.connection.degrade(error.to_string(), now);
                self.store.change_connection(&stored, &[]).await?;
                self.store.settle_task(task, now.plus(APPLICATION_RESTS), "").await?;
                Ok(None)
            }
        }
    }

    async fn ask(
        &self,
        provider: &'static dyn Connectable,
        oauth: &OAuth,
        refresh_token: &Token,
    ) -> Result<Grant, RefreshFailure> {
        let application: Application = self.application(provider.name()).ok_or_else(|| {
            RefreshFailure::Application(format!("no application is set for {}", provider.name()))
        })?;
        let answer = self.call(oauth.refresh(&application, refresh_token)).await?;
        oauth.read_grant(&answer, self.clock.now())
    }

    /// Writes fresh tokens down. They are nowhere else, so this goes on until they are.
    async fn keep(&self, ready: Ready, grant: Grant) -> Result<(), StoreError> {
        let Ready { mut stored, tokens: former, .. } = ready;
        let tokens = Tokens { access_token: Some(grant.access_token), refresh_token: grant.refresh_token };
        let tokens = tokens.or_refresh_token_of(&former);
        stored.connection.refreshed(grant.granted, self.clock.now());
        stored.sealed_tokens = tokens.seal(&self.vault, stored.connection.id);
        let due = [self.refresh_due(&stored.connection, &tokens)];
        loop {
            match self.store.change_connection(&stored, &due).await {
                // Where it is false, somebody has authorised it again meanwhile, and those tokens are newer.
                Ok(_) => return self.warn_of_end(&stored.connection).await,
                Err(StoreError::Unavailable(error)) => {
                    tracing::warn!(%error, connection = %stored.connection.id, "fresh tokens wait to be kept");
                    self.clock.sleep(STORE_RETRY_AFTER).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Tells ahead of time that the consent will end. It is a repeat to whoever was told before.
    async fn warn_of_end(&self, connection: &Connection) -> Result<(), StoreError> {
        let lasts = connectable(&connection.provider).and_then(Connectable::consent_lasts);
        let Some(ends_at) = lasts.map(|lasts| connection.authorized_at.plus(lasts)) else { return Ok(()) };
        let left = ends_at.since(self.clock.now());
        let Some(days) = CONSENT_WARNED_DAYS.into_iter().find(|days| left <= DAY * *days) else {
            return Ok(());
        };
        let news = News::expiring(connection, ends_at, days.into());
        let told = self.log.append(news.draft(self.clock.now())).await;
        told.map(drop).map_err(|error| StoreError::Unavailable(error.to_string()))
    }

    /// Writes down that there are no fresh tokens, and when it is tried again.
    async fn note(
        &self,
        provider: &'static dyn Connectable,
        mut stored: StoredConnection,
        failure: &RefreshFailure,
        was_lost: bool,
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        if matches!(failure, RefreshFailure::Application(_)) {
            self.rest(provider.name(), failure, now.plus(APPLICATION_RESTS)).await?;
        }
        let next = stored.connection.refresh_failed(failure, was_lost, now, &mut chance::rng());
        match next {
            Next::GiveUp => self.give_up(stored).await,
            Next::TryAt(at) => {
                let due = store::Due { kind: kind(provider.name()), at: Some(at) };
                self.store.change_connection(&stored, &[due]).await.map(drop)
            }
        }
    }

    /// Tells that a grant is dead, and writes that down. In this order: should it end between, it is told once all the
    /// same, since such an event is told of each grant but once.
    pub(super) async fn give_up(&self, stored: StoredConnection) -> Result<(), StoreError> {
        if stored.connection.removed_at.is_some() {
            return self.store.delete_connection(stored.connection.id).await.map(drop);
        }
        let news = News::needs_reauth(&stored.connection);
        let told = self.log.append(news.draft(self.clock.now())).await;
        told.map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let due = store::Due { kind: kind(&stored.connection.provider), at: None };
        self.store.change_connection(&stored, &[due]).await.map(drop)
    }

    /// Has nothing of a provider refreshed for a while, on whatever node: it does not know the application.
    async fn rest(
        &self,
        provider: &str,
        failure: &RefreshFailure,
        until: Timestamp,
    ) -> Result<(), StoreError> {
        if self.store.rest_tasks(&kind(provider), until, &self.application_as_it_is(provider)).await? {
            tracing::error!(
                provider,
                %failure,
                "the provider does not know this application; its tokens are not refreshed until the configuration changes"
            );
        }
        Ok(())
    }

    /// What happens at a start: where an application was put right since, its refreshes rest no longer.
    ///
    /// # Errors
    /// The store is away.
    pub async fn wake_applications(&self) -> Result<(), StoreError> {
        for &provider in CONNECTABLE {
            self.store
                .wake_tasks(&kind(provider.name()), &self.application_as_it_is(provider.name()))
                .await?;
        }
        Ok(())
    }

    async fn wake(&self, provider: &dyn Connectable, stopping: &CancellationToken) {
        let (kind, application) = (kind(provider.name()), self.application_as_it_is(provider.name()));
        while let Err(error) = self.store.wake_tasks(&kind, &application).await {
            tracing::warn!(%error, provider = provider.name(), "it cannot be seen yet whether its refreshes rest");
            tokio::select! {
                () = stopping.cancelled() => return,
                () = self.clock.sleep(STORE_RETRY_AFTER) => {}
            }
        }
    }

    /// What its refreshes rest for while it stays so.
    fn application_as_it_is(&self, provider: &str) -> String {
        let fingerprint = self.application(provider).map(|application| application.fingerprint());
        fingerprint.map_or_else(|| "none is set".to_owned(), |digest| URL_SAFE_NO_PAD.encode(digest))
    }
}

impl From<crate::deliver::NoAnswer> for RefreshFailure {
    fn from(none: crate::deliver::NoAnswer) -> Self {
        use crate::deliver::NoAnswer;
        match none {
            NoAnswer::NotSent(failure) => Self::Passing { reason: failure.message, retry_after: None },
            NoAnswer::Lost(failure) => Self::Lost(failure.message),
        }
    }
}
