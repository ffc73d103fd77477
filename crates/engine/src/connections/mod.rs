//! Users' accounts at providers.
//!
//! Read in this order: this file (how a connection comes and goes), [`oauth`] (how a user is asked for one),
//! [`refresh`] (how its tokens stay fresh), [`call`] (how its provider is called with them), [`poll`] (how it is asked
//! for what is new), [`pace`] (how often that may be), [`sync`] (how somebody has it asked now).

mod call;
mod oauth;
mod pace;
mod poll;
mod refresh;
mod sync;
mod tokens;

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use domain::connection::{self, Granted, Refresh, State};
use domain::{Connection, ConnectionId, Timestamp, UserId};
use providers::api::{ApiAnswer, ApiCall, CallFailure, Token};
use providers::oauth::Application;
use providers::register::registrable;
use providers::{CONNECTABLE, Connectable, Settings};
use store::{Due, Store, StoreError, StoredConnection};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::chance;
use crate::clock::Clock;
use crate::deliver::{Client, NoAnswer};
use crate::limits::{API_CALL_TIMEOUT, STORE_RETRY_AFTER, TOKEN_ANSWER_BYTES_MAX};
use crate::log::Log;
use crate::registrations;
use crate::shared::Shared;
use crate::tasks::{Looks, Tasks};
use crate::vault::{DoesNotOpen, Vault};

pub use call::NotCalled;
pub use oauth::{Answer, Asking, BrowserDigest, Completed, NotAuthorized, NotCompleted, WhyNot};
pub use sync::NotSynced;
pub use tokens::Tokens;

/// How connections are looked after.
#[derive(Debug, Clone)]
pub struct Care {
    /// The longest time between two looks for tokens that are about to expire; zero: nobody looks by themselves.
    pub refresh_every: Duration,
    /// How long before they expire they are refreshed.
    pub refresh_ahead: Duration,
    /// By provider: how often it is asked for what is new, where that is not as usual. Zero: only when somebody asks
    /// for it.
    pub poll_every: HashMap<&'static str, Duration>,
}

/// The connections, and what keeps them alive.
#[derive(Debug)]
pub struct Connections {
    store: Arc<dyn Store>,
    vault: Vault,
    clock: Arc<dyn Clock>,
    client: Client,
    log: Log,
    /// By provider: what the operator has set.
    settings: HashMap<&'static str, Settings>,
    care: Care,
    /// By provider: rung when something may be due earlier than was known.
    bells: HashMap<&'static str, Notify>,
    /// Rung when something is to be registered, or not any more.
    registrations_bell: Arc<Notify>,
    /// Calls that go out only so often.
    paces: pace::Paces,
}

/// An account that is to be connected.
#[derive(Debug)]
pub struct NewConnection {
    /// Whose.
    pub user_id: UserId,
    /// At which provider.
    pub provider: &'static dyn Connectable,
    /// The account's own id there; `None`: the provider is asked.
    pub account_id: Option<String>,
    /// What opens it.
    pub tokens: Tokens,
    /// For what, and until when.
    pub granted: Granted,
    /// What is otherwise than usual with it; `None`: what is known already.
    pub settings: Option<connection::Settings>,
}

/// Why no connection was made.
#[derive(Debug, thiserror::Error)]
pub enum NotConnected {
    /// The provider did not say whose account it is.
    #[error("{0}")]
    NoIdentity(CallFailure),
    /// There is nothing that could tell whose account it is.
    #[error("an account_id is needed: without a token the provider cannot be asked whose account it is")]
    NoAccount,
    /// It could not be kept.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Connections {
    pub(crate) fn new(shared: &Shared, log: Log, care: Care) -> Self {
        let Shared { store, vault, clock, client, provider_settings: settings, .. } = shared.clone();
        let bells = CONNECTABLE.iter().map(|provider| (provider.name(), Notify::new())).collect();
        let (registrations_bell, paces) = (Arc::default(), pace::Paces::default());
        Self { store, vault, clock, client, log, settings, care, bells, registrations_bell, paces }
    }

    /// Whether anything is looked at that nobody asks for.
    pub(crate) fn look_by_themselves(&self) -> bool {
        !self.care.refresh_every.is_zero()
    }

    /// Connects an account. One that its user had connected before is authorised again, and keeps its id.
    ///
    /// # Errors
    /// Why it is not connected.
    pub async fn connect(&self, new: NewConnection) -> Result<StoredConnection, NotConnected> {
        let account_id = match &new.account_id {
            Some(id) => new.provider.account_id(id),
            None => self.identify(new.provider, new.tokens.access_token.as_ref()).await?,
        };
        loop {
            let known = self.store.connections_to(new.provider.name(), &account_id).await?;
            let known = known.into_iter().find(|known| known.connection.user_id == new.user_id);
            let saved = match known {
                Some(known) => self.authorize_again(known, &new).await?,
                None => self.create(&new, &account_id).await?,
            };
            // Somebody else may have been quicker; then there is one now, or it has changed.
            if let Some(stored) = saved {
                self.ring_for(new.provider.name());
                if registrable(new.provider.name()).is_some() {
                    self.registrations_bell.notify_waiters();
                }
                return Ok(stored);
            }
        }
    }

    async fn create(
        &self,
        new: &NewConnection,
        account_id: &str,
    ) -> Result<Option<StoredConnection>, StoreError> {
        let now = self.clock.now();
        let id = ConnectionId::new(now, &mut chance::rng());
        let mut connection = Connection {
            id,
            user_id: new.user_id.clone(),
            provider: new.provider.name().to_owned(),
            account_id: account_id.to_owned(),
            state: State::Pending,
            state_reason: None,
            scopes: Vec::new(),
            expires_at: None,
            authorized_at: now,
            refresh: Refresh::default(),
            settings: new.settings.unwrap_or_default(),
            last_sync_at: None,
            removed_at: None,
            created_at: now,
            updated_at: now,
        };
        connection.authorized(new.granted.clone(), now);
        let due = self.due(&connection, &new.tokens, now);
        let stored =
            StoredConnection { sealed_tokens: new.tokens.seal(&self.vault, id), connection, revision: 1 };
        Ok(self.store.create_connection(&stored, &due).await?.then_some(stored))
    }

    async fn authorize_again(
        &self,
        mut stored: StoredConnection,
        new: &NewConnection,
    ) -> Result<Option<StoredConnection>, StoreError> {
        let known = Tokens::open(&self.vault, &stored).unwrap_or_default();
        let tokens = new.tokens.clone().or_refresh_token_of(&known);
        let now = self.clock.now();
        stored.connection.authorized(new.granted.clone(), now);
        stored.connection.settings = new.settings.unwrap_or(stored.connection.settings);
        stored.sealed_tokens = tokens.seal(&self.vault, stored.connection.id);
        let due = self.due(&stored.connection, &tokens, now);
        if !self.store.change_connection(&stored, &due).await? {
            return Ok(None);
        }
        stored.revision += 1;
        if let Some(settings) = &new.settings {
            self.store.treat_connection(stored.connection.id, (settings, now), &[]).await?;
        }
        Ok(Some(stored))
    }

    /// Treats a connection otherwise from now on; false where there is none. What is polled on another schedule is
    /// polled now.
    ///
    /// # Errors
    /// The store is away.
    pub async fn treat(
        &self,
        stored: &mut StoredConnection,
        settings: connection::Settings,
    ) -> Result<bool, StoreError> {
        let (now, connection) = (self.clock.now(), &mut stored.connection);
        let former = std::mem::replace(&mut connection.settings, settings);
        connection.updated_at = now;
        let tokens = Tokens::open(&self.vault, stored).unwrap_or_default();
        let is_other_schedule = former.poll_seconds != settings.poll_seconds;
        let poll = self.poll_due(&stored.connection, &tokens).filter(|_| is_other_schedule);
        let register = (former.push != settings.push).then(|| register_due(&stored.connection, now));
        let due: Vec<_> = poll.into_iter().chain(register).collect();
        let is_there = self.store.treat_connection(stored.connection.id, (&settings, now), &due).await?;
        self.ring_for(&stored.connection.provider);
        self.registrations_bell.notify_waiters();
        Ok(is_there)
    }

    /// Removes a connection; false where there is none. What is registered for it is removed too, in its own time, and
    /// until then its tokens stay good.
    ///
    /// # Errors
    /// The store is away.
    pub async fn disconnect(&self, stored: &StoredConnection) -> Result<bool, StoreError> {
        let connection = &stored.connection;
        let kept = refresh::kind(&connection.provider);
        let is_removed = self.store.remove_connection(connection.id, &kept, self.clock.now()).await?;
        self.registrations_bell.notify_waiters();
        Ok(is_removed)
    }

    /// Has those look who look after accounts at `provider`, and nobody else: with thousands of accounts it rings
    /// often.
    fn ring_for(&self, provider: &str) {
        if let Some(bell) = self.bells.get(provider) {
            bell.notify_waiters();
        }
    }

    fn tasks(&self, kind: String, at_once: usize) -> Tasks<'_> {
        Tasks { store: &*self.store, clock: &*self.clock, kind, at_once, together: at_once / 2 }
    }

    fn looks<'a>(&'a self, provider: &str, every: Duration, stopping: &'a CancellationToken) -> Looks<'a> {
        let bell = self.bells.get(provider).expect("whoever can be connected has a bell");
        Looks { every, apart: STORE_RETRY_AFTER, bell, stopping }
    }

    /// Rung when something is to be registered, or not any more.
    pub(crate) fn registrations_bell(&self) -> Arc<Notify> {
        Arc::clone(&self.registrations_bell)
    }

    /// What opens the account of `stored`.
    ///
    /// # Errors
    /// It was sealed under another key, or altered.
    pub fn tokens_of(&self, stored: &StoredConnection) -> Result<Tokens, DoesNotOpen> {
        Tokens::open(&self.vault, stored)
    }

    async fn identify(
        &self,
        provider: &'static dyn Connectable,
        token: Option<&Token>,
    ) -> Result<String, NotConnected> {
        let settings = self.settings(provider.name());
        let ask = token.and_then(|token| provider.ask_identity(settings, token));
        let answer = self.call(ask.ok_or(NotConnected::NoAccount)?).await.map_err(|none| {
            NotConnected::NoIdentity(CallFailure::Passing { reason: none.to_string(), retry_after: None })
        })?;
        provider.read_identity(&answer, self.clock.now()).map_err(NotConnected::NoIdentity)
    }

    async fn call(&self, call: ApiCall) -> Result<ApiAnswer, NoAnswer> {
        self.client.call(call, TOKEN_ANSWER_BYTES_MAX, API_CALL_TIMEOUT).await
    }

    fn settings(&self, provider: &str) -> &Settings {
        static NOTHING: LazyLock<Settings> = LazyLock::new(Settings::default);
        self.settings.get(provider).unwrap_or(&NOTHING)
    }

    fn application(&self, provider: &str) -> Option<Application> {
        Application::of(self.settings(provider))
    }

    /// What is due for an account that is authorised at `now`.
    fn due(&self, connection: &Connection, tokens: &Tokens, now: Timestamp) -> Vec<Due> {
        let always = [self.refresh_due(connection, tokens), register_due(connection, now)];
        always.into_iter().chain(self.poll_due(connection, tokens)).collect()
    }

    fn refresh_due(&self, connection: &Connection, tokens: &Tokens) -> Due {
        let has_refresh_token = tokens.refresh_token.is_some();
        let at = connection.refresh_due_at(self.care.refresh_ahead, has_refresh_token);
        Due { kind: refresh::kind(&connection.provider), at }
    }
}

/// What can be registered for an account is registered once it is connected, and tried again when it is authorised
/// again.
fn register_due(connection: &Connection, now: Timestamp) -> Due {
    let at = registrable(&connection.provider).map(|_| now);
    Due { kind: registrations::ACCOUNTS.to_owned(), at }
}
