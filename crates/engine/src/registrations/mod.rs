//! What is set up at providers so that they push to us.
//!
//! Each registration has its row, and each place at a provider a task: whoever claims it is the only one on any node to
//! work there. So two nodes that start at once set nothing up twice, and who removes something cannot meet who renews
//! it.
//!
//! Read in this order: this file (how a registration is asked for), [`work`] (how it is made, renewed and removed),
//! [`hub`] (how a provider asks back whether it was us), [`secrets`] (what providers sign with).

mod hub;
mod secrets;
mod work;

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use domain::connection;
use domain::event::Json;
use domain::registration::{Basis, Progress, State};
use domain::{Connection, Registration, RegistrationId, UserId};
use providers::Settings;
use providers::register::{Key, REGISTRABLE, Registrable, registrable};
use store::{Page, RegistrationFilter, Store, StoreError, StoredConnection, StoredRegistration};
use tokio::sync::Notify;

use crate::chance;
use crate::clock::Clock;
use crate::connections::{Connections, Tokens};
use crate::limits::{REGISTERING_WAITED_FOR, REGISTRATION_LOOKED_AT_EVERY, REGISTRATIONS_READ_MAX};
use crate::shared::Shared;
use crate::vault::Vault;
use secrets::Secrets;

/// The registrations, and what keeps them alive.
#[derive(Debug)]
pub struct Registrations {
    store: Arc<dyn Store>,
    vault: Vault,
    clock: Arc<dyn Clock>,
    connections: Arc<Connections>,
    /// By provider: what the operator has set.
    settings: HashMap<&'static str, Settings>,
    /// Where the world reaches this server.
    base_url: Option<String>,
    /// Rung when something may be due earlier than was known.
    bell: Arc<Notify>,
    /// Rung when something was done.
    done: Notify,
}

/// Something that is to be registered.
#[derive(Debug)]
pub struct NewRegistration {
    /// Where.
    pub provider: &'static dyn Registrable,
    /// What it comes and goes with.
    pub basis: Basis,
    /// Whose events it brings.
    pub user_id: Option<UserId>,
    /// The account's id at the provider; empty for the application.
    pub account_id: String,
    /// What is watched, as [`Registrable::target`] has it.
    pub target: String,
    /// What is wanted; empty: what is usual.
    pub events: Vec<String>,
    /// What else the provider is told.
    pub config: Option<Json>,
    /// What it is to sign with, where somebody wants it to be that.
    pub secret: Option<String>,
}

/// Why nothing was registered.
#[derive(Debug, thiserror::Error)]
pub enum NotRegistered {
    /// Nobody has said where the world reaches this server.
    #[error("WEBHOOK_BASE_URL is not set, so the provider cannot be told where to push to")]
    NoAddress,
    /// Something has to be set first.
    #[error("{0} is not set")]
    NotSet(&'static str),
    /// The store is away.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The kind of the tasks that register what belongs to an account. Their subjects are connections.
pub(crate) const ACCOUNTS: &str = "register accounts";

impl Registrations {
    pub(crate) fn new(shared: &Shared, connections: Arc<Connections>, base_url: Option<String>) -> Self {
        let Shared { store, vault, clock, provider_settings: settings, .. } = shared.clone();
        let bell = connections.registrations_bell();
        Self { store, vault, clock, connections, settings, base_url, bell, done: Notify::new() }
    }

    /// Registers something, or what it is now to be in the place of what it was, as soon as possible.
    ///
    /// # Errors
    /// Why it never will be, as things are.
    pub async fn want(&self, new: NewRegistration) -> Result<StoredRegistration, NotRegistered> {
        let settings = self.settings(new.provider.name());
        if let Some(name) = new.provider.missing(settings) {
            return Err(NotRegistered::NotSet(name));
        }
        let base_url = self.base_url.as_deref().ok_or(NotRegistered::NoAddress)?;
        let url = format!("{}{}", base_url.trim_end_matches('/'), new.provider.path(new.user_id.as_ref()));
        let place = new.provider.place(&new.target, &new.account_id, &url);
        loop {
            let saved = match self.known(&new, &place).await? {
                Some(known) => self.want_again(known, &new, &url, &place).await?,
                None => self.create(&new, &url, &place).await?,
            };
            // Somebody else may have been quicker; then there is one now, or it has changed.
            if let Some(stored) = saved {
                self.bell.notify_waiters();
                return Ok(stored);
            }
        }
    }

    /// What the basis has at that place already, or of that target at another: our address may have changed.
    async fn known(
        &self,
        new: &NewRegistration,
        place: &str,
    ) -> Result<Option<StoredRegistration>, StoreError> {
        let of_basis = RegistrationFilter {
            provider: Some(new.provider.name().to_owned()),
            basis: Some(new.basis),
            ..RegistrationFilter::default()
        };
        let at_place = RegistrationFilter { place: Some(place.to_owned()), ..of_basis.clone() };
        if let Some(known) = self.store.registrations(&at_place, &Page::first(1)).await?.pop() {
            return Ok(Some(known));
        }
        let known = self.store.registrations(&of_basis, &Page::first(REGISTRATIONS_READ_MAX)).await?;
        Ok(known.into_iter().find(|stored| stored.registration.target == new.target))
    }

    async fn create(
        &self,
        new: &NewRegistration,
        url: &str,
        place: &str,
    ) -> Result<Option<StoredRegistration>, StoreError> {
        let now = self.clock.now();
        let id = RegistrationId::new(now, &mut chance::rng());
        let registration = Registration {
            id,
            user_id: new.user_id.clone(),
            provider: new.provider.name().to_owned(),
            basis: new.basis,
            target: new.target.clone(),
            url: url.to_owned(),
            place: place.to_owned(),
            events: new.events.clone(),
            config: new.config.clone(),
            external_id: None,
            state: State::Pending,
            state_reason: None,
            progress: Progress::default(),
            expires_at: None,
            due_at: Some(now),
            created_at: now,
            updated_at: now,
        };
        let secrets = new.secret.clone().map(Secrets::fixed).unwrap_or_default();
        let stored =
            StoredRegistration { registration, sealed_secrets: secrets.seal(&self.vault, id), revision: 1 };
        Ok(self.store.create_registration(&stored).await?.then_some(stored))
    }

    async fn want_again(
        &self,
        mut stored: StoredRegistration,
        new: &NewRegistration,
        url: &str,
        place: &str,
    ) -> Result<Option<StoredRegistration>, StoreError> {
        let now = self.clock.now();
        let registration = &mut stored.registration;
        (registration.url, registration.place) = (url.to_owned(), place.to_owned());
        registration.events.clone_from(&new.events);
        registration.config.clone_from(&new.config);
        registration.wanted(now);
        if let Some(secret) = new.secret.clone() {
            stored.sealed_secrets = Secrets::fixed(secret).seal(&self.vault, stored.registration.id);
        }
        let is_saved = self.store.change_registration(&stored, Some(now)).await?;
        stored.revision += 1;
        Ok(is_saved.then_some(stored))
    }

    /// Waits until somebody, on whatever node, has asked the provider for `stored`, but not for long; how it stands
    /// then.
    ///
    /// # Errors
    /// The store is away.
    pub async fn settled(&self, stored: StoredRegistration) -> Result<StoredRegistration, StoreError> {
        let id = stored.registration.id;
        let within = tokio::time::timeout(REGISTERING_WAITED_FOR, async {
            loop {
                let done = self.done.notified();
                match self.store.registration(id).await? {
                    Some(current) if current.registration.due_at == stored.registration.due_at => {}
                    Some(current) => return Ok(current),
                    None => return Ok(stored.clone()),
                }
                tokio::select! {
                    () = done => {}
                    () = self.clock.sleep(REGISTRATION_LOOKED_AT_EVERY) => {}
                }
            }
        });
        match within.await {
            Ok(settled) => settled,
            Err(_) => Ok(self.store.registration(id).await?.unwrap_or(stored)),
        }
    }

    /// Something that is registered for an account is to be gone. Where it belongs to the account itself nothing sets
    /// it up again until somebody wants that.
    ///
    /// # Errors
    /// The store is away.
    pub async fn unwant(
        &self,
        of: &mut StoredConnection,
        mut stored: StoredRegistration,
    ) -> Result<(), StoreError> {
        if own_target(&of.connection).as_ref() == Some(&stored.registration.target) {
            let settings = connection::Settings { push: Some(false), ..of.connection.settings };
            self.connections.treat(of, settings).await?;
        }
        loop {
            let now = self.clock.now();
            stored.registration.unwanted(now);
            if self.store.change_registration(&stored, Some(now)).await? {
                self.bell.notify_waiters();
                return Ok(());
            }
            match self.store.registration(stored.registration.id).await? {
                Some(current) => stored = current,
                None => return Ok(()),
            }
        }
    }

    /// What belongs to a source is to be gone, and so will the source be.
    ///
    /// # Errors
    /// The store is away.
    pub async fn unwant_of(&self, basis: Basis) -> Result<(), StoreError> {
        let filter = RegistrationFilter { basis: Some(basis), ..RegistrationFilter::default() };
        for mut stored in self.store.registrations(&filter, &Page::first(REGISTRATIONS_READ_MAX)).await? {
            let now = self.clock.now();
            stored.registration.unwanted(now);
            self.store.change_registration(&stored, Some(now)).await?;
        }
        self.bell.notify_waiters();
        Ok(())
    }

    /// Registers what belongs to the operator's application at `provider`, and sees to it that it is still there.
    async fn ensure_application(&self, provider: &'static dyn Registrable) -> Result<(), StoreError> {
        for target in provider.of_application() {
            let new = NewRegistration {
                provider,
                basis: Basis::Application,
                user_id: None,
                account_id: String::new(),
                target: (*target).to_owned(),
                events: Vec::new(),
                config: None,
                secret: None,
            };
            match self.want(new).await {
                Ok(_) | Err(NotRegistered::NotSet(_)) => {}
                Err(NotRegistered::NoAddress) => return Ok(()),
                Err(NotRegistered::Store(error)) => return Err(error),
            }
        }
        Ok(())
    }

    /// Registers what belongs to an account that was connected, and tries what has failed for want of a grant.
    async fn ensure_account(&self, stored: &StoredConnection) -> Result<(), StoreError> {
        let connection = &stored.connection;
        let Some(provider) = registrable(&connection.provider) else { return Ok(()) };
        let basis = Basis::Connection(connection.id);
        let filter = RegistrationFilter { basis: Some(basis), ..RegistrationFilter::default() };
        let now = self.clock.now();
        let known = self.store.registrations(&filter, &Page::first(REGISTRATIONS_READ_MAX)).await?;
        let targets: Vec<_> = known.iter().map(|stored| stored.registration.target.clone()).collect();
        for mut stored in known {
            if matches!(stored.registration.state, State::Failed | State::Expired) {
                stored.registration.wanted(now);
                self.store.change_registration(&stored, Some(now)).await?;
            }
        }
        let is_wanted = connection.settings.push != Some(false) && self.has_key(provider, stored);
        let target = own_target(connection).filter(|target| is_wanted && !targets.contains(target));
        let Some(target) = target else { return Ok(()) };
        let new = NewRegistration {
            provider,
            basis,
            user_id: Some(connection.user_id.clone()),
            account_id: connection.account_id.clone(),
            target,
            events: Vec::new(),
            config: None,
            secret: None,
        };
        match self.want(new).await {
            Ok(_) => {}
            Err(NotRegistered::Store(error)) => return Err(error),
            Err(reason) => {
                tracing::debug!(connection = %connection.id, %reason, "nothing is registered for an account");
            }
        }
        Ok(())
    }

    /// Whether there is what opens the provider's API; where somebody else holds an account's tokens they register too.
    fn has_key(&self, provider: &dyn Registrable, stored: &StoredConnection) -> bool {
        let tokens = || self.connections.tokens_of(stored).unwrap_or_default();
        provider.key() != Key::Connection || tokens() != Tokens::default()
    }

    /// Says, in one line, where nothing is registered although all but our own address is known.
    fn tell_what_is_skipped(&self) {
        let is_skipped = |provider: &&dyn Registrable| {
            !provider.of_application().is_empty()
                && provider.missing(self.settings(provider.name())).is_none()
        };
        let skipped: Vec<_> = REGISTRABLE.iter().copied().filter(is_skipped).map(Registrable::name).collect();
        if self.base_url.is_none() && !skipped.is_empty() {
            tracing::warn!(
                "no webhooks are registered at {}: WEBHOOK_BASE_URL is not set",
                skipped.join(", ")
            );
        }
    }

    fn settings(&self, provider: &str) -> &Settings {
        static NOTHING: LazyLock<Settings> = LazyLock::new(Settings::default);
        self.settings.get(provider).unwrap_or(&NOTHING)
    }
}

/// What is set up by itself for an account.
fn own_target(connection: &Connection) -> Option<String> {
    registrable(&connection.provider)?.of_account(&connection.account_id)
}

/// How long an account's task rests: by then a setting that was missing may be there.
const ACCOUNTS_LOOKED_AT_EVERY: Duration = Duration::from_secs(24 * 3_600);
