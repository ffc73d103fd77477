//! Connections, what is due for them, and what may be used once.

use domain::{ConnectionId, Timestamp, UserId};

use super::{Data, paged};
use crate::{Due, KeyDigest, Page, StoredConnection, Task};

impl Data {
    pub(super) fn create_connection(&mut self, stored: &StoredConnection, due: &[Due]) -> bool {
        let new = &stored.connection;
        let is_same = |known: &StoredConnection| {
            let known = &known.connection;
            known.account_id == new.account_id
                && known.user_id == new.user_id
                && known.provider == new.provider
        };
        if self.connections.values().any(is_same) {
            return false;
        }
        self.connections.insert(stored.connection.id, stored.clone());
        self.move_tasks(&stored.connection.id.to_string(), due);
        true
    }

    pub(super) fn connections_to(&self, provider: &str, account_id: &str) -> Vec<StoredConnection> {
        let is_theirs = |stored: &&StoredConnection| {
            stored.connection.provider == provider && stored.connection.account_id == account_id
        };
        self.connections.values().filter(is_theirs).cloned().collect()
    }

    pub(super) fn connections(
        &self,
        user: Option<&UserId>,
        page: &Page<ConnectionId>,
    ) -> Vec<StoredConnection> {
        let is_theirs =
            |stored: &&StoredConnection| user.is_none_or(|user| stored.connection.user_id == *user);
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
            let known = self.tasks.remove(&key).map(|(_, task)| Task { turn: task.turn + 1, ..task });
            let (kind, subject) = key.clone();
            let task = known.unwrap_or(Task { kind, subject, turn: 0, memory: String::new() });
            self.tasks.insert(key, (at, task));
        }
    }

    pub(super) fn claim_tasks(
        &mut self,
        kind: &str,
        limit: u32,
        now: Timestamp,
        deadline: Timestamp,
    ) -> Vec<Task> {
        let is_due = |due_at: Timestamp, task: &Task| task.kind == kind && due_at <= now;
        let mut due: Vec<_> = self.tasks.values_mut().filter(|(at, task)| is_due(*at, task)).collect();
        due.sort_by_key(|(at, _)| *at);
        let claim = |(due_at, task): &mut (Timestamp, Task)| {
            (*due_at, task.turn) = (deadline, task.turn + 1);
            task.clone()
        };
        due.into_iter().take(limit as usize).map(claim).collect()
    }

    pub(super) fn settle_task(&mut self, task: &Task, due_at: Timestamp, memory: &str) -> bool {
        let known = self.tasks.get_mut(&(task.kind.clone(), task.subject.clone()));
        let Some((at, known)) = known.filter(|(_, known)| known.turn == task.turn) else { return false };
        (*at, known.memory) = (due_at, memory.to_owned());
        true
    }

    pub(super) fn next_task_at(&self, kind: &str) -> Option<Timestamp> {
        self.tasks.values().filter(|(_, task)| task.kind == kind).map(|(at, _)| *at).min()
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
