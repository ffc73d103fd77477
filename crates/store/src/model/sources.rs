//! Custom sources.

use domain::{SourceId, UserId};

use super::{Data, paged};
use crate::{Page, Result, StoreError, StoredSource};

impl Data {
    pub(super) fn create_source(&mut self, source: &StoredSource) -> Result<()> {
        if self.sources.values().any(|known| known.id == source.id || known.token == source.token) {
            return Err(StoreError::Refused(format!("{} exists already", source.id)));
        }
        self.sources.insert(source.id, source.clone());
        self.sources_version += 1;
        Ok(())
    }

    pub(super) fn sources(&self, user: Option<&UserId>, page: &Page<SourceId>) -> Vec<StoredSource> {
        let is_theirs =
            |source: &&StoredSource| user.is_none_or(|user| source.user_id.as_ref() == Some(user));
        paged(self.sources.values().rev().filter(is_theirs).cloned(), page, |source| source.id)
    }

    pub(super) fn change_source(&mut self, changed: &StoredSource) -> bool {
        let known = self.sources.get_mut(&changed.id).filter(|known| known.revision == changed.revision);
        let Some(known) = known else { return false };
        *known = StoredSource {
            user_id: known.user_id.clone(),
            created_at: known.created_at,
            revision: known.revision + 1,
            ..changed.clone()
        };
        self.sources_version += 1;
        true
    }

    pub(super) fn delete_source(&mut self, id: SourceId) -> bool {
        let is_deleted = self.sources.remove(&id).is_some();
        self.sources_version += i64::from(is_deleted);
        is_deleted
    }
}
