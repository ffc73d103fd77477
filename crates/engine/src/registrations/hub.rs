//! A hub asks back whether it was us who asked it, and later signs with what we told it.
//!
//! Nobody signs the question. So only what was asked for lately is confirmed, and of what is said about it the least is
//! believed.

use std::time::Duration;

use domain::UserId;
use domain::registration::{Basis, State};
use providers::register::{Registrable, registrable};
use providers::{Asked, Confirmation, Decision, Provider, Reply, Settings, Wish};
use store::{Page, RegistrationFilter, StoreError, StoredRegistration, registration_task};

use super::{Registrations, Secrets};
use crate::chance;
use crate::limits::REGISTRATIONS_READ_MAX;

/// How long a hub grants that does not say. It has to (WebSub, 5.3).
const UNSAID_LEASE: Duration = Duration::from_secs(24 * 3_600);

impl Registrations {
    /// What a hub wants to hear that asks, with this query, about what is pushed to `user`; `None` if nobody has asked
    /// it.
    ///
    /// # Errors
    /// The store is away.
    pub async fn confirm(
        &self,
        provider: &dyn Provider,
        user: Option<&UserId>,
        query: &str,
    ) -> Result<Option<Reply>, StoreError> {
        let Some(registrable) = registrable(provider.name()) else { return Ok(None) };
        let all = self.pushed_to(provider.name(), user).await?;
        let Some((index, confirmation)) = self.find(provider, registrable, query, &all) else {
            return Ok(None);
        };
        let Some(stored) = all.into_iter().nth(index) else { return Ok(None) };
        self.heed(stored, confirmation.decision).await?;
        self.bell.notify_waiters();
        self.done.notify_waiters();
        Ok(Some(confirmation.reply))
    }

    /// Which of `all` the hub means, and what it says about it.
    fn find(
        &self,
        provider: &dyn Provider,
        registrable: &dyn Registrable,
        query: &str,
        all: &[StoredRegistration],
    ) -> Option<(usize, Confirmation)> {
        let settings = self.settings(provider.name());
        let asked = |stored: &StoredRegistration| {
            let topic = registrable.topic(settings, &stored.registration.target)?;
            let is_unwanted = stored.registration.state == State::Removing;
            Some(Asked { topic, wish: if is_unwanted { Wish::Unsubscribe } else { Wish::Subscribe } })
        };
        let now = self.clock.now();
        let lately: Vec<_> =
            all.iter().map(|stored| asked(stored).filter(|_| stored.registration.is_asked(now))).collect();
        let confirm = |asked: &[Option<Asked>]| {
            let list: Vec<_> = asked.iter().flatten().cloned().collect();
            let confirmation = provider.confirm(query, &list)?;
            let wish = match confirmation.decision {
                Decision::Granted { .. } => Some(Wish::Subscribe),
                Decision::Ended => Some(Wish::Unsubscribe),
                Decision::Denied { .. } => None,
            };
            let is_it = |asked: &Option<Asked>| {
                let asked = asked.as_ref().filter(|asked| wish.is_none_or(|wish| asked.wish == wish));
                asked.is_some_and(|asked| asked.topic == confirmation.topic)
            };
            Some((asked.iter().position(is_it)?, confirmation))
        };
        // A hub may deny at any time what it has granted.
        let denied = || {
            let denied = confirm(&all.iter().map(asked).collect::<Vec<_>>());
            denied.filter(|(_, confirmation)| matches!(confirmation.decision, Decision::Denied { .. }))
        };
        confirm(&lately).or_else(denied)
    }

    async fn heed(&self, stored: StoredRegistration, decision: Decision) -> Result<(), StoreError> {
        let now = self.clock.now();
        match decision {
            Decision::Granted { lease_seconds } => {
                let lease = lease_seconds.map_or(UNSAID_LEASE, |seconds| Duration::from_secs(seconds.into()));
                self.update(stored, |stored| {
                    stored.registration.confirmed(lease, now, &mut chance::rng());
                    let id = stored.registration.id;
                    if let Ok(mut secrets) = Secrets::open(&self.vault, id, &stored.sealed_secrets) {
                        secrets.confirmed(now);
                        stored.sealed_secrets = secrets.seal(&self.vault, id);
                    }
                })
                .await
            }
            Decision::Denied { reason } => {
                tracing::warn!(registration = %stored.registration.id, reason, "the hub does not push");
                let (kind, place) =
                    (registration_task(&stored.registration.provider), stored.registration.place.clone());
                self.update(stored, |stored| stored.registration.denied(&reason, now, &mut chance::rng()))
                    .await?;
                self.store.ring_task(&kind, &place, now).await.map(drop)
            }
            Decision::Ended => self.store.delete_registration(&stored).await.map(drop),
        }
    }

    /// `settings`, and the secrets that the provider was told, or has handed out, for what it pushes to `user`; `None`
    /// where there are none.
    ///
    /// # Errors
    /// The store is away.
    pub(crate) async fn with_secrets(
        &self,
        provider: &dyn Provider,
        user: Option<&UserId>,
        settings: &Settings,
    ) -> Result<Option<Settings>, StoreError> {
        let key = provider.settings().first().map(|setting| setting.key);
        let keeps = registrable(provider.name()).is_some_and(Registrable::keeps_secrets);
        let Some(key) = key.filter(|_| keeps) else { return Ok(None) };
        let now = self.clock.now();
        let all = self.pushed_to(provider.name(), user).await?;
        let opened = all.iter().filter_map(|stored| {
            Secrets::open(&self.vault, stored.registration.id, &stored.sealed_secrets).ok()
        });
        let secrets: Vec<_> = opened.flat_map(|secrets| secrets.good(now)).collect();
        Ok((!secrets.is_empty()).then(|| settings.clone().with(key, secrets)))
    }

    /// What a provider pushes to one address: a user's, or that of all.
    async fn pushed_to(
        &self,
        provider: &str,
        user: Option<&UserId>,
    ) -> Result<Vec<StoredRegistration>, StoreError> {
        let filter = RegistrationFilter {
            provider: Some(provider.to_owned()),
            user_id: user.cloned(),
            basis: user.is_none().then_some(Basis::Application),
            place: None,
        };
        self.store.registrations(&filter, &Page::first(REGISTRATIONS_READ_MAX)).await
    }
}
