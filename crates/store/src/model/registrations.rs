//! Registrations, and connections that stay for the sake of them.

use domain::registration::{Basis, State};
use domain::{ConnectionId, RegistrationId, Timestamp};

use super::{Data, paged};
use crate::{Page, RegistrationFilter, StoredRegistration, registration_task};

impl Data {
    pub(super) fn create_registration(&mut self, stored: &StoredRegistration) -> bool {
        let new = &stored.registration;
        let is_same = |known: &StoredRegistration| {
            let known = &known.registration;
            known.basis == new.basis && known.provider == new.provider && known.place == new.place
        };
        if self.registrations.values().any(is_same) {
            return false;
        }
        self.registrations.insert(new.id, stored.clone());
        self.ring_for(stored, new.due_at);
        true
    }

    pub(super) fn registrations(
        &self,
        filter: &RegistrationFilter,
        page: &Page<RegistrationId>,
    ) -> Vec<StoredRegistration> {
        let is_meant = |stored: &&StoredRegistration| {
            let registration = &stored.registration;
            filter.user_id.as_ref().is_none_or(|user| registration.user_id.as_ref() == Some(user))
                && filter.provider.as_ref().is_none_or(|provider| registration.provider == *provider)
                && filter.place.as_ref().is_none_or(|place| registration.place == *place)
                && filter.basis.is_none_or(|basis| registration.basis == basis)
        };
        let newest_first = self.registrations.values().rev().filter(is_meant).cloned();
        paged(newest_first, page, |stored| stored.registration.id)
    }

    pub(super) fn change_registration(
        &mut self,
        changed: &StoredRegistration,
        ring_at: Option<Timestamp>,
    ) -> bool {
        let Some(known) = self.current_registration(changed) else { return false };
        let fixed = known.registration.clone();
        *known = StoredRegistration { revision: known.revision + 1, ..changed.clone() };
        known.registration.user_id = fixed.user_id;
        known.registration.provider = fixed.provider;
        known.registration.basis = fixed.basis;
        known.registration.target = fixed.target;
        known.registration.created_at = fixed.created_at;
        self.ring_for(changed, ring_at);
        true
    }

    pub(super) fn delete_registration(&mut self, stored: &StoredRegistration) -> bool {
        if self.current_registration(stored).is_none() {
            return false;
        }
        self.registrations.remove(&stored.registration.id);
        if let Some(connection) = stored.registration.basis.connection() {
            self.forget_connection(connection);
        }
        true
    }

    pub(super) fn remove_connection(&mut self, id: ConnectionId, kept: &str, now: Timestamp) -> bool {
        let known = self.connections.get_mut(&id).filter(|known| known.connection.removed_at.is_none());
        let Some(known) = known else { return false };
        (known.connection.removed_at, known.connection.updated_at) = (Some(now), now);
        let subject = id.to_string();
        self.tasks.retain(|(kind, of), _| *of != subject || kind == kept);
        let filter =
            RegistrationFilter { basis: Some(Basis::Connection(id)), ..RegistrationFilter::default() };
        for mut stored in self.registrations(&filter, &Page::first(u32::MAX)) {
            self.ring_for(&stored, Some(now));
            if stored.registration.state != State::Removing {
                stored.registration.unwanted(now);
                self.change_registration(&stored, None);
            }
        }
        self.forget_connection(id);
        true
    }

    /// Forgets a connection, if it was removed and nothing is registered for it any more.
    fn forget_connection(&mut self, id: ConnectionId) {
        let is_removed = self.connections.get(&id).is_some_and(|known| known.connection.removed_at.is_some());
        let has_one = self.registrations.values().any(|s| s.registration.basis == Basis::Connection(id));
        if is_removed && !has_one {
            self.delete_connection(id);
        }
    }

    fn current_registration(&mut self, stored: &StoredRegistration) -> Option<&mut StoredRegistration> {
        let known = self.registrations.get_mut(&stored.registration.id);
        known.filter(|known| known.revision == stored.revision)
    }

    fn ring_for(&mut self, stored: &StoredRegistration, at: Option<Timestamp>) {
        let Some(at) = at else { return };
        let (kind, place) = (registration_task(&stored.registration.provider), &stored.registration.place);
        if !self.ring_task(&kind, place, at) {
            self.add_task(&kind, place, at);
        }
    }
}
