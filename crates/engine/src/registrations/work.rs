//! How registrations are made, renewed and removed.
//!
//! Nothing is done twice for want of an answer: what a provider is asked for begins with looking at what is there, and
//! ends with writing down what it calls it.

use std::sync::Arc;

use domain::registration::{Failure, State};
use domain::{ConnectionId, Timestamp};
use http::StatusCode;
use providers::api::{ApiAnswer, ApiCall, CallFailure, Token};
use providers::register::{Done, Key, REGISTRABLE, Registrable, Step, Wanted};
use store::{
    Page, RegistrationFilter, StoreError, StoredConnection, StoredRegistration, Task, registration_task,
};
use tokio_util::sync::CancellationToken;

use super::{ACCOUNTS, ACCOUNTS_LOOKED_AT_EVERY, Registrations, Secrets};
use crate::chance;
use crate::connections::NotCalled;
use crate::limits::{
    REGISTERING_CALLS_MAX, REGISTRATION_ANSWER_BYTES_MAX, REGISTRATIONS_AT_ONCE_MAX,
    REGISTRATIONS_POLL_EVERY, REGISTRATIONS_READ_MAX, STORE_RETRY_AFTER, TASK_CLAIM_LASTS,
};
use crate::supervise::Supervisor;
use crate::tasks::{Looks, Tasks};

/// What a registration rests on, at this moment.
enum Ground {
    /// Nobody in particular.
    Application,
    /// A connection; it may have been removed.
    Connection(Box<StoredConnection>),
    /// A connection that is gone.
    Gone,
}

impl Registrations {
    /// Looks after what falls due, for as long as `supervisor` lets it: a loop for each provider, and one for accounts.
    pub(crate) fn keep_alive(self: &Arc<Self>, supervisor: &Supervisor) {
        self.tell_what_is_skipped();
        for &provider in REGISTRABLE {
            let (registrations, stopping) = (Arc::clone(self), supervisor.stopping());
            supervisor.keep("register", move || {
                let (registrations, stopping) = (Arc::clone(&registrations), stopping.clone());
                async move { registrations.keep_provider(provider, &stopping).await }
            });
        }
        let (registrations, stopping) = (Arc::clone(self), supervisor.stopping());
        supervisor.keep("register accounts", move || {
            let (registrations, stopping) = (Arc::clone(&registrations), stopping.clone());
            async move {
                let run = |task| registrations.look_after_account(task);
                registrations.accounts().keep_running(&registrations.looks(&stopping), run).await;
            }
        });
    }

    async fn keep_provider(&self, provider: &'static dyn Registrable, stopping: &CancellationToken) {
        while let Err(error) = self.ensure_application(provider).await {
            tracing::warn!(%error, provider = provider.name(), "what is to be registered cannot be written down yet");
            tokio::select! {
                () = stopping.cancelled() => return,
                () = self.clock.sleep(STORE_RETRY_AFTER) => {}
            }
        }
        let run = |task| self.look_after_place(provider, task);
        self.places(provider).keep_running(&self.looks(stopping), run).await;
    }

    fn places(&self, provider: &dyn Registrable) -> Tasks<'_> {
        self.tasks(registration_task(provider.name()))
    }

    fn accounts(&self) -> Tasks<'_> {
        self.tasks(ACCOUNTS.to_owned())
    }

    fn tasks(&self, kind: String) -> Tasks<'_> {
        let (store, clock) = (&*self.store, &*self.clock);
        Tasks { store, clock, kind, at_once: REGISTRATIONS_AT_ONCE_MAX, together: 1 }
    }

    fn looks<'a>(&'a self, stopping: &'a CancellationToken) -> Looks<'a> {
        Looks { every: REGISTRATIONS_POLL_EVERY, apart: STORE_RETRY_AFTER, bell: &self.bell, stopping }
    }

    /// What happens at a start: what belongs to the operator's applications is to be registered.
    ///
    /// # Errors
    /// The store is away.
    pub async fn ensure_applications(&self) -> Result<(), StoreError> {
        for &provider in REGISTRABLE {
            self.ensure_application(provider).await?;
        }
        Ok(())
    }

    /// Looks after all that is due now.
    ///
    /// # Errors
    /// The store is away.
    pub async fn work_all(&self) -> Result<(), StoreError> {
        self.accounts().run_due(|task| self.look_after_account(task)).await?;
        for &provider in REGISTRABLE {
            self.places(provider).run_due(|task| self.look_after_place(provider, task)).await?;
        }
        Ok(())
    }

    /// Registers what belongs to an account that was connected.
    async fn look_after_account(&self, task: Task) {
        if let Err(error) = self.work_for_account(&task).await {
            // The claim lapses, and the task falls due again.
            tracing::warn!(%error, connection = task.subject, "an account could not be looked after yet");
        }
    }

    async fn work_for_account(&self, task: &Task) -> Result<(), StoreError> {
        let now = self.clock.now();
        let id: Option<ConnectionId> = task.subject.parse().ok();
        let stored = match id {
            Some(id) => self.store.connection(id).await?,
            None => None,
        };
        match stored.filter(|stored| stored.connection.removed_at.is_none()) {
            Some(stored) => {
                self.ensure_account(&stored).await?;
                self.store.settle_task(task, now.plus(ACCOUNTS_LOOKED_AT_EVERY), "").await.map(drop)
            }
            None => self.store.drop_task(task).await.map(drop),
        }
    }

    /// Looks after all that is due at the place of a task.
    async fn look_after_place(&self, provider: &'static dyn Registrable, task: Task) {
        if let Err(error) = self.work_at_place(provider, &task).await {
            // The claim lapses, and the task falls due again.
            tracing::warn!(%error, place = task.subject, "a registration could not be written down yet");
        }
        self.done.notify_waiters();
    }

    async fn work_at_place(&self, provider: &'static dyn Registrable, task: &Task) -> Result<(), StoreError> {
        for stored in self.at_place(provider, task).await? {
            if stored.registration.is_due(self.clock.now()) {
                self.look_after(provider, stored, task).await?;
            }
        }
        let rest = self.at_place(provider, task).await?;
        match rest.iter().filter_map(|stored| stored.registration.due_at).min() {
            Some(due_at) => self.store.settle_task(task, due_at, "").await.map(drop),
            // Whoever has come meanwhile has rung, and then the task stays as it is until its claim lapses.
            None => self.store.drop_task(task).await.map(drop),
        }
    }

    async fn at_place(
        &self,
        provider: &dyn Registrable,
        task: &Task,
    ) -> Result<Vec<StoredRegistration>, StoreError> {
        let filter = RegistrationFilter {
            provider: Some(provider.name().to_owned()),
            place: Some(task.subject.clone()),
            ..RegistrationFilter::default()
        };
        self.store.registrations(&filter, &Page::first(REGISTRATIONS_READ_MAX)).await
    }

    async fn look_after(
        &self,
        provider: &'static dyn Registrable,
        mut stored: StoredRegistration,
        task: &Task,
    ) -> Result<(), StoreError> {
        let ground = self.ground(&stored).await?;
        if !ground.is_firm() {
            stored.registration.unwanted(self.clock.now());
        }
        if stored.registration.state == State::Removing {
            self.remove(provider, stored, &ground, task).await
        } else {
            self.register(provider, stored, &ground, task).await
        }
    }

    async fn ground(&self, stored: &StoredRegistration) -> Result<Ground, StoreError> {
        let Some(id) = stored.registration.basis.connection() else { return Ok(Ground::Application) };
        let connection = self.store.connection(id).await?;
        Ok(connection.map_or(Ground::Gone, |connection| Ground::Connection(Box::new(connection))))
    }

    async fn register(
        &self,
        provider: &'static dyn Registrable,
        mut stored: StoredRegistration,
        ground: &Ground,
        task: &Task,
    ) -> Result<(), StoreError> {
        let settings = self.settings(provider.name());
        if let Some(name) = provider.missing(settings) {
            return self.note(stored, &Failure::Refused(format!("{name} is not set"))).await;
        }
        let mut wanted = self.wanted(provider, &stored, ground);
        if provider.topic(settings, &wanted.target).is_some() {
            // It may ask back before it has answered.
            wanted.secret = self.prepare(&mut stored).map(Token::new);
            if !self.store.change_registration(&stored, None).await? {
                return Ok(());
            }
            stored.revision += 1;
        }
        match self.hold(provider, provider.register(wanted), ground, task).await {
            Ok(Done::SetUp(set_up, secret)) => {
                let (seen, now) = (stored.revision, self.clock.now());
                self.update(stored, |stored| {
                    if let Some(secret) = &secret {
                        let secrets = Secrets::fixed(secret.reveal().to_owned());
                        stored.sealed_secrets = secrets.seal(&self.vault, stored.registration.id);
                    }
                    if stored.revision == seen {
                        stored.registration.set_up(set_up.clone(), now, &mut chance::rng());
                    } else {
                        // It is wanted otherwise by now, or not any more. Then this is to be known of it.
                        stored.registration.external_id.clone_from(&set_up.external_id);
                    }
                })
                .await
            }
            Ok(Done::Asked | Done::Removed) => Ok(()),
            Err(NotCalled::Store(error)) => Err(error),
            Err(NotCalled::Gone) => Ok(()),
            Err(error) => self.note(stored, &failure(error)).await,
        }
    }

    async fn remove(
        &self,
        provider: &'static dyn Registrable,
        mut stored: StoredRegistration,
        ground: &Ground,
        task: &Task,
    ) -> Result<(), StoreError> {
        let is_hopeless = matches!(ground, Ground::Gone) && provider.key() == Key::Connection;
        let is_over = stored.registration.is_past_removing(self.clock.now()) || is_hopeless;
        if is_over || self.is_wanted_by_others(provider, &stored, task).await? {
            return self.forget(&stored).await;
        }
        let wanted = self.wanted(provider, &stored, ground);
        if provider.topic(self.settings(provider.name()), &wanted.target).is_some() {
            stored.registration.asked(self.clock.now());
            if !self.store.change_registration(&stored, None).await? {
                return Ok(());
            }
            stored.revision += 1;
        }
        match self.hold(provider, provider.remove(wanted), ground, task).await {
            Ok(Done::Removed | Done::SetUp(..)) => self.forget(&stored).await,
            Ok(Done::Asked) => Ok(()),
            Err(NotCalled::Store(error)) => Err(error),
            // Nobody can do it any more in the user's name.
            Err(NotCalled::Gone | NotCalled::NotInUse | NotCalled::Failed(CallFailure::TokenRefused(_))) => {
                self.forget(&stored).await
            }
            Err(error) => self.note(stored, &failure(error)).await,
        }
    }

    /// Whether somebody else wants the same thing at the provider. Then it stays.
    async fn is_wanted_by_others(
        &self,
        provider: &dyn Registrable,
        stored: &StoredRegistration,
        task: &Task,
    ) -> Result<bool, StoreError> {
        let others = self.at_place(provider, task).await?;
        Ok(others.iter().any(|other| {
            other.registration.id != stored.registration.id && other.registration.state != State::Removing
        }))
    }

    async fn forget(&self, stored: &StoredRegistration) -> Result<(), StoreError> {
        self.store.delete_registration(stored).await.map(drop)
    }

    fn wanted(&self, provider: &dyn Registrable, stored: &StoredRegistration, ground: &Ground) -> Wanted {
        let registration = &stored.registration;
        let secrets = Secrets::open(&self.vault, registration.id, &stored.sealed_secrets).unwrap_or_default();
        Wanted {
            settings: self.settings(provider.name()).clone(),
            account_id: ground.account_id().to_owned(),
            target: registration.target.clone(),
            url: registration.url.clone(),
            events: registration.events.clone(),
            config: registration.config.clone(),
            external_id: registration.external_id.clone(),
            secret: secrets.current().map(Token::new),
        }
    }

    /// Notes that a hub is about to be asked, and what it is told to sign with.
    fn prepare(&self, stored: &mut StoredRegistration) -> Option<String> {
        let now = self.clock.now();
        stored.registration.asked(now);
        let id = stored.registration.id;
        let mut secrets = Secrets::open(&self.vault, id, &stored.sealed_secrets).unwrap_or_default();
        let secret = secrets.next_to_tell(now);
        stored.sealed_secrets = secrets.seal(&self.vault, id);
        Some(secret)
    }

    /// Holds a conversation to its end.
    async fn hold(
        &self,
        provider: &'static dyn Registrable,
        mut step: Step,
        ground: &Ground,
        task: &Task,
    ) -> Result<Done, NotCalled> {
        for _ in 0..REGISTERING_CALLS_MAX {
            let ask = match step {
                Step::Done(done) => return Ok(done),
                Step::Ask(ask) => ask,
            };
            let deadline = self.clock.now().plus(TASK_CLAIM_LASTS);
            if !self.store.keep_task(task, deadline, "").await? {
                return Err(
                    StoreError::Unavailable("somebody else works at this place by now".to_owned()).into()
                );
            }
            let answer = self.send(provider, &ask.call, ground).await?;
            step = ask.answered(&answer, self.clock.now())?;
        }
        Err(CallFailure::Unreadable("it does not come to an end".to_owned()).into())
    }

    async fn send(
        &self,
        provider: &'static dyn Registrable,
        call: &ApiCall,
        ground: &Ground,
    ) -> Result<ApiAnswer, NotCalled> {
        let bytes_max = REGISTRATION_ANSWER_BYTES_MAX;
        let shown = match provider.key() {
            Key::Connection => {
                let Ground::Connection(connection) = ground else { return Err(NotCalled::Gone) };
                let ask = |_: &_, token: &Token| provider.show_key(call.clone(), token);
                return self.connections.call_for(connection.connection.id, bytes_max, ask, believed).await;
            }
            Key::Operator(key) => {
                let key = self.settings(provider.name()).first(key).unwrap_or_default();
                provider.show_key(call.clone(), &Token::new(key))
            }
            Key::Nobodys => call.clone(),
        };
        Ok(self.connections.call_api(shown, bytes_max).await?)
    }

    /// Writes down that it did not go well.
    async fn note(&self, stored: StoredRegistration, failure: &Failure) -> Result<(), StoreError> {
        let now = self.clock.now();
        let (Failure::Passing { reason, .. } | Failure::Refused(reason)) = failure;
        tracing::warn!(
            registration = %stored.registration.id, provider = stored.registration.provider, reason,
            "a registration did not go well"
        );
        self.update(stored, |stored| stored.registration.failed(failure, now, &mut chance::rng())).await
    }

    /// Changes a registration, on top of whatever others have made of it meanwhile.
    pub(super) async fn update(
        &self,
        mut stored: StoredRegistration,
        change: impl Fn(&mut StoredRegistration),
    ) -> Result<(), StoreError> {
        loop {
            change(&mut stored);
            if self.store.change_registration(&stored, None).await? {
                return Ok(());
            }
            match self.store.registration(stored.registration.id).await? {
                Some(current) => stored = current,
                None => return Ok(()),
            }
        }
    }
}

impl Ground {
    /// Whether anything is to be registered on it.
    fn is_firm(&self) -> bool {
        match self {
            Self::Application => true,
            Self::Connection(stored) => stored.connection.removed_at.is_none(),
            Self::Gone => false,
        }
    }

    fn account_id(&self) -> &str {
        match self {
            Self::Connection(stored) => &stored.connection.account_id,
            Self::Application | Self::Gone => "",
        }
    }
}

/// An answer to somebody who was believed.
fn believed(answer: &ApiAnswer, _now: Timestamp) -> Result<ApiAnswer, CallFailure> {
    if answer.status == StatusCode::UNAUTHORIZED {
        return Err(CallFailure::TokenRefused("401 Unauthorized".to_owned()));
    }
    Ok(answer.clone())
}

/// What follows from a call that brought nothing.
fn failure(error: NotCalled) -> Failure {
    match error {
        NotCalled::Failed(CallFailure::Passing { reason, retry_after }) => {
            Failure::Passing { reason, retry_after }
        }
        NotCalled::Failed(CallFailure::Exhausted { reason, retry_after }) => {
            Failure::Passing { reason, retry_after: Some(retry_after) }
        }
        NotCalled::NotInUse => Failure::Refused("the connection has to be authorised again".to_owned()),
        error => Failure::Refused(error.to_string()),
    }
}
