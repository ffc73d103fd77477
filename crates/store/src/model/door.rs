//! API keys, the event types that were added, and what was refused.

use domain::{KeyId, RejectionId, Timestamp, UserId};

use super::{Data, paged};
use crate::{AddedType, ApiKey, Page, REJECTIONS_PER_CALL_MAX, Rejection, Result, StoreError};

impl Data {
    pub(super) fn create_key(&mut self, key: &ApiKey) -> Result<()> {
        if self.keys.values().any(|known| known.id == key.id || known.digest == key.digest) {
            return Err(StoreError::Refused(format!("{} exists already", key.id)));
        }
        self.keys.insert(key.id, key.clone());
        Ok(())
    }

    pub(super) fn keys(&self, page: &Page<KeyId>) -> Vec<ApiKey> {
        paged(self.keys.values().rev().cloned(), page, |key| key.id)
    }

    pub(super) fn create_event_type(&mut self, event_type: &AddedType) -> bool {
        let key = (event_type.owner_id.clone(), event_type.event_type.clone());
        let is_new = !self.event_types.contains_key(&key);
        self.event_types.entry(key).or_insert_with(|| event_type.clone());
        is_new
    }

    pub(super) fn event_types(&self, owner: Option<&UserId>) -> Vec<AddedType> {
        self.event_types.values().filter(|added| added.owner_id.as_ref() == owner).cloned().collect()
    }

    pub(super) fn keep_rejections(&mut self, rejections: &[Rejection]) -> Result<()> {
        if rejections.len() > REJECTIONS_PER_CALL_MAX {
            return Err(StoreError::Refused(format!("{} rejections at once are too many", rejections.len())));
        }
        self.rejections.extend(rejections.iter().map(|rejection| (rejection.id, rejection.clone())));
        Ok(())
    }

    pub(super) fn rejections(&self, page: &Page<RejectionId>) -> Vec<Rejection> {
        paged(self.rejections.values().rev().cloned(), page, |rejection| rejection.id)
    }

    pub(super) fn forget_rejections(&mut self, oldest: Timestamp, count_max: u32) -> u64 {
        let before = self.rejections.len();
        self.rejections = self.rejections.split_off(&RejectionId::first_at(oldest));
        while self.rejections.len() > count_max as usize {
            self.rejections.pop_first();
        }
        (before - self.rejections.len()) as u64
    }
}
