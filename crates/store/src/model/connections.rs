//! Connections, what is due for them, and what may be used once.

use domain::connection::Settings;
use domain::{ConnectionId, Timestamp, UserId};

use super::{Data, paged};
use crate::{Due, KeyDigest, Page, REST_LONGER_BY, StoredConnection, Task};

/// A task, with what nobody else sees of it.
#[derive(Debug)]
pub(super) struct Kept {
    due_at: Timestamp,
    is_claimed: bool,
    task: Task,
}

impl Data {
    pub(super) fn create_connection(&mut self, stored: &StoredConnection, due: &[Due]) -> bool {
        let new = &stored.connection;
        let is_same = |known: &StoredConnection| {
            let known = &known.connection;
            known.account_id == new.account_id
                && known.user_id == new.user_id
                && known.provider == new.provider
        };
        let is_here = |known: &&StoredConnection| known.connection.removed_at.is_none();
        if self.connections.values().filter(is_here).any(is_same) {
            return false;
        }
        self.connections.insert(stored.connection.id, stored.clone());
        self.move_tasks(&stored.connection.id.to_string(), due);
        true
    }

    pub(super) fn connections_to(&self, provider: &str, account_id: &str) -> Vec<StoredConnection> {
        let is_theirs = |stored: &&StoredConnection| {
            let connection = &stored.connection;
            connection.provider == provider
                && connection.account_id == account_id
                && connection.removed_at.is_none()
        };
        self.connections.values().filter(is_theirs).cloned().collect()
    }

    pub(super) fn connections(
        &self,
        user: Option<&UserId>,
        page: &Page<ConnectionId>,
    ) -> Vec<StoredConnection> {
        let is_theirs = |stored: &&StoredConnection| {
            let connection = &stored.connection;
            user.is_none_or(|user| connection.user_id == *user) && connection.removed_at.is_none()
        };
        let newest_first = self.connections.values().rev().filter(is_theirs).cloned();
        paged(newest_first, page, |stored| stored.connection.id)
    }

    pub(super) fn change_connection(&mut self, changed: &StoredConnection, due: &[Due]) -> bool {
        let id = changed.connection.id;
        let known = self.connections.get_mut(&id).filter(|known| known.revision == changed.revision);
        let Some(known) = known else { return false };
        let fixed = known.connection.clone();
        *known = StoredConnection { revision: known.revision + 1, ..changed.clone() };
        known.connection.user_id = fixed.user_id;
        known.connection.provider = fixed.provider;
        known.connection.account_id = fixed.account_id;
        known.connection.created_at = fixed.created_at;
        known.connection.settings = fixed.settings;
        known.connection.last_sync_at = fixed.last_sync_at;
        known.connection.removed_at = fixed.removed_at;
        self.move_tasks(&id.to_string(), due);
        true
    }

    pub(super) fn treat_connection(
        &mut self,
        id: ConnectionId,
        (settings, at): (&Settings, Timestamp),
        due: &[Due],
    ) -> bool {
        let known = self.connections.get_mut(&id).filter(|known| known.connection.removed_at.is_none());
        let Some(known) = known else { return false };
        (known.connection.settings, known.connection.updated_at) = (*settings, at);
        self.move_tasks(&id.to_string(), due);
        true
    }

    pub(super) fn delete_connection(&mut self, id: ConnectionId) -> bool {
        let subject = id.to_string();
        let is_deleted = self.connections.remove(&id).is_some();
        if is_deleted {
            self.tasks.retain(|(_, of), _| *of != subject);
        }
        is_deleted
    }

    pub(super) fn move_tasks(&mut self, subject: &str, due: &[Due]) {
        for due in due {
            let key = (due.kind.clone(), subject.to_owned());
            let Some(at) = due.at else {
                self.tasks.remove(&key);
                continue;
            };
            let known = self.tasks.remove(&key).map(|kept| Task { turn: kept.task.turn + 1, ..kept.task });
            let (kind, subject) = key.clone();
            let task = known.unwrap_or(Task { kind, subject, turn: 0, memory: String::new(), rings: 0 });
            self.tasks.insert(key, Kept { due_at: at, is_claimed: false, task });
        }
    }

    pub(super) fn claim_tasks(
        &mut self,
        kind: &str,
        limit: u32,
        now: Timestamp,
        deadline: Timestamp,
    ) -> Vec<Task> {
        if self.rests.get(kind).is_some_and(|(until, _)| *until > now) {
            return Vec::new();
        }
        let is_due = |kept: &&mut Kept| kept.task.kind == kind && kept.due_at <= now;
        let mut due: Vec<_> = self.tasks.values_mut().filter(is_due).collect();
        due.sort_by_key(|kept| kept.due_at);
        let claim = |kept: &mut Kept| {
            (kept.due_at, kept.is_claimed) = (deadline, true);
            kept.task.turn += 1;
            kept.task.clone()
        };
        due.into_iter().take(limit as usize).map(claim).collect()
    }

    pub(super) fn settle_task(&mut self, task: &Task, due_at: Timestamp, memory: &str) -> bool {
        let Some(kept) = self.claimed(task) else { return false };
        kept.task.rings -= task.rings;
        kept.due_at = if kept.task.rings > 0 { Timestamp::from_micros(1) } else { due_at };
        (kept.is_claimed, kept.task.memory) = (false, memory.to_owned());
        true
    }

    pub(super) fn keep_task(&mut self, task: &Task, deadline: Timestamp, memory: &str) -> bool {
        let Some(kept) = self.claimed(task) else { return false };
        (kept.due_at, kept.task.memory) = (deadline, memory.to_owned());
        true
    }

    pub(super) fn drop_task(&mut self, task: &Task) -> bool {
        let is_it = self.claimed(task).is_some_and(|kept| kept.task.rings == task.rings);
        is_it && self.tasks.remove(&(task.kind.clone(), task.subject.clone())).is_some()
    }

    /// A task, if it is still claimed by that claim.
    fn claimed(&mut self, task: &Task) -> Option<&mut Kept> {
        let kept = self.tasks.get_mut(&(task.kind.clone(), task.subject.clone()));
        kept.filter(|kept| kept.task.turn == task.turn)
    }

    pub(super) fn ring_task(&mut self, kind: &str, subject: &str, now: Timestamp) -> bool {
        let Some(kept) = self.tasks.get_mut(&(kind.to_owned(), subject.to_owned())) else { return false };
        kept.task.rings += 1;
        if !kept.is_claimed {
            kept.due_at = kept.due_at.min(now);
        }
        true
    }

    pub(super) fn add_task(&mut self, kind: &str, subject: &str, due_at: Timestamp) {
        let (kind, subject) = (kind.to_owned(), subject.to_owned());
        let task =
            Task { kind: kind.clone(), subject: subject.clone(), turn: 0, memory: String::new(), rings: 1 };
        self.tasks.insert((kind, subject), Kept { due_at, is_claimed: false, task });
    }

    pub(super) fn finish_sync(
        &mut self,
        (task, due_at, memory): (&Task, Timestamp, &str),
        (id, at): (ConnectionId, Timestamp),
    ) -> bool {
        let is_settled = self.connections.contains_key(&id) && self.settle_task(task, due_at, memory);
        if let Some(known) = self.connections.get_mut(&id).filter(|_| is_settled) {
            known.connection.last_sync_at = known.connection.last_sync_at.max(Some(at));
        }
        is_settled
    }

    pub(super) fn next_task_at(&self, kind: &str) -> Option<Timestamp> {
        let due_at = self.tasks.values().filter(|kept| kept.task.kind == kind).map(|kept| kept.due_at).min();
        due_at.map(|due_at| self.rests.get(kind).map_or(due_at, |(until, _)| due_at.max(*until)))
    }

    pub(super) fn rest_tasks(&mut self, kind: &str, until: Timestamp, cause: &str) -> bool {
        let known = self.rests.get(kind);
        let is_news = known.is_none_or(|(known, _)| known.plus(REST_LONGER_BY) <= until);
        if is_news {
            self.rests.insert(kind.to_owned(), (until, cause.to_owned()));
        }
        is_news
    }

    pub(super) fn wake_tasks(&mut self, kind: &str, cause: &str) -> bool {
        let is_other = self.rests.get(kind).is_some_and(|(_, known)| known != cause && !known.is_empty());
        is_other && self.rests.remove(kind).is_some()
    }

    pub(super) fn spend(&mut self, digest: &KeyDigest, expires_at: Timestamp, now: Timestamp) -> bool {
        let is_new = !self.spent.contains_key(digest);
        if is_new {
            self.spent.insert(*digest, expires_at);
            self.spent.retain(|_, expires_at| *expires_at > now);
        }
        is_new
    }
}
