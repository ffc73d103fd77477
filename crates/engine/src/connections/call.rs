//! Calls to a provider's API in a user's name, with a token that is good.
//!
//! A token that has expired is not even tried. One that the provider takes no longer counts as expired from then on, so
//! it is refreshed as any other is: once, by whoever holds the task, on whatever node.

use std::sync::Arc;

use domain::connection::Refresh;
use domain::{ConnectionId, Timestamp};
use providers::api::{ApiAnswer, ApiCall, CallFailure, Token};
use providers::{Connectable, Settings, connectable};
use store::{StoreError, StoredConnection};

use super::{Connections, Tokens};
use crate::deliver::NoAnswer;
use crate::limits::API_CALL_TIMEOUT;
use crate::vault::DoesNotOpen;

/// Why a call in a user's name brought nothing.
#[derive(Debug, thiserror::Error)]
pub enum NotCalled {
    /// There is no such connection any more.
    #[error("the connection is gone")]
    Gone,
    /// The provider is not to be called for it: its grant is dead, or it is switched off.
    #[error("the connection is not in use")]
    NotInUse,
    /// Its tokens do not open.
    #[error(transparent)]
    DoesNotOpen(#[from] DoesNotOpen),
    /// It was called, or tried to be.
    #[error(transparent)]
    Failed(#[from] CallFailure),
    /// The store is away.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What opens a connection's account at this moment.
struct Opened {
    stored: StoredConnection,
    provider: &'static dyn Connectable,
    /// `None` where there is nothing that could be shown, or it has expired.
    token: Option<Token>,
}

impl Connections {
    /// Makes the call that `ask` builds for the connection's token, and reads the answer. A token that is not taken is
    /// refreshed, and the call made once more. An answer of more than `bytes_max` is none.
    ///
    /// # Errors
    /// Why there is nothing. [`CallFailure::TokenRefused`]: not even a fresh token is taken.
    pub async fn call_for<T>(
        self: &Arc<Self>,
        id: ConnectionId,
        bytes_max: usize,
        ask: impl Fn(&Settings, &Token) -> ApiCall + Sync,
        read: impl Fn(&ApiAnswer, Timestamp) -> Result<T, CallFailure> + Sync,
    ) -> Result<T, NotCalled> {
        self.call_as(self.connection(id).await?, bytes_max, ask, read).await
    }

    /// The same for a connection that has just been read.
    pub(super) async fn call_as<T>(
        self: &Arc<Self>,
        stored: StoredConnection,
        bytes_max: usize,
        ask: impl Fn(&Settings, &Token) -> ApiCall + Sync,
        read: impl Fn(&ApiAnswer, Timestamp) -> Result<T, CallFailure> + Sync,
    ) -> Result<T, NotCalled> {
        let called = self.call_once_as(stored, bytes_max, ask, read).await?;
        called.map_err(|none| NotCalled::Failed(passing(&none)))
    }

    /// [`Connections::call_for`] for what must not be done twice: where no answer has come it says whether the call may
    /// have been taken. One whose token is not taken has done nothing.
    ///
    /// # Errors
    /// Why there is nothing.
    pub async fn call_once_for<T>(
        self: &Arc<Self>,
        id: ConnectionId,
        bytes_max: usize,
        ask: impl Fn(&Settings, &Token) -> ApiCall + Sync,
        read: impl Fn(&ApiAnswer, Timestamp) -> Result<T, CallFailure> + Sync,
    ) -> Result<Result<T, NoAnswer>, NotCalled> {
        self.call_once_as(self.connection(id).await?, bytes_max, ask, read).await
    }

    async fn call_once_as<T>(
        self: &Arc<Self>,
        stored: StoredConnection,
        bytes_max: usize,
        ask: impl Fn(&Settings, &Token) -> ApiCall + Sync,
        read: impl Fn(&ApiAnswer, Timestamp) -> Result<T, CallFailure> + Sync,
    ) -> Result<Result<T, NoAnswer>, NotCalled> {
        let opened = self.open(stored)?;
        let settings = self.settings(opened.provider.name());
        let call = async |token: &Token| {
            let answered = self.client.call(ask(settings, token), bytes_max, API_CALL_TIMEOUT).await;
            answered.map(|answer| read(&answer, self.clock.now()))
        };
        let called = match &opened.token {
            Some(token) => Some(call(token).await),
            None => None,
        };
        let called = match called {
            None | Some(Ok(Err(CallFailure::TokenRefused(_)))) => call(&self.freshen(opened).await?).await,
            Some(called) => called,
        };
        Ok(match called {
            Ok(read) => Ok(read?),
            Err(none) => Err(none),
        })
    }

    /// Makes a call that needs nobody's token. Where no answer comes, another try may bring one.
    ///
    /// # Errors
    /// There is no answer.
    pub async fn call_api(&self, call: ApiCall, bytes_max: usize) -> Result<ApiAnswer, CallFailure> {
        let answered = self.client.call(call, bytes_max, API_CALL_TIMEOUT).await;
        answered.map_err(|none| passing(&none))
    }

    async fn connection(&self, id: ConnectionId) -> Result<StoredConnection, NotCalled> {
        self.store.connection(id).await?.ok_or(NotCalled::Gone)
    }

    /// A connection, with a token that has not expired.
    fn open(&self, stored: StoredConnection) -> Result<Opened, NotCalled> {
        let provider = connectable(&stored.connection.provider).ok_or(NotCalled::NotInUse)?;
        if !stored.connection.state.is_in_use() {
            return Err(NotCalled::NotInUse);
        }
        let is_good = stored.connection.expires_at.is_none_or(|at| at > self.clock.now());
        let token = Tokens::open(&self.vault, &stored)?.access_token.filter(|_| is_good);
        Ok(Opened { stored, provider, token })
    }

    /// A token in the place of that of `former`, which is not good any more.
    async fn freshen(self: &Arc<Self>, former: Opened) -> Result<Token, NotCalled> {
        let Opened { mut stored, provider, token } = former;
        // A refresh that is under way, or has failed, goes on in its own time.
        if stored.connection.refresh == Refresh::default() {
            stored.connection.token_refused(self.clock.now());
            let due = [self.refresh_due(&stored.connection, &Tokens::open(&self.vault, &stored)?)];
            // Whoever has changed it since knows more than this.
            self.store.change_connection(&stored, &due).await?;
            self.refresh_provider(provider).await?;
        }
        let fresh = self.open(self.connection(stored.connection.id).await?)?.token;
        fresh.filter(|fresh| Some(fresh) != token.as_ref()).ok_or_else(|| {
            let reason = "the access token is being refreshed".to_owned();
            NotCalled::Failed(CallFailure::Passing { reason, retry_after: None })
        })
    }
}

fn passing(none: &NoAnswer) -> CallFailure {
    CallFailure::Passing { reason: none.to_string(), retry_after: None }
}
