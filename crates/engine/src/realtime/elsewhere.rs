//! What nodes tell each other of their users: who is there, who has gone, and who types. It goes by notes, which may be lost, so
//! each node says again and again who is there, and forgets of others what it has not heard for a while.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::UserId;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{NOTE_BYTES_MAX, StoreError};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::Hub;
use crate::limits::{
    ELSEWHERE_MAX, HERE_LASTS, NOTES_GATHER_FOR, NOTES_LISTENED_TO_AGAIN_AFTER, SAYINGS_WAITING_MAX,
};

/// What this node has heard of the others' users, and what it has to tell of its own.
#[derive(Debug, Default)]
pub(crate) struct Elsewhere {
    /// What this node calls itself in notes; `None` where it is alone.
    node: Option<u64>,
    /// By user: the other nodes where they are, and when each has last said so.
    present: Mutex<HashMap<UserId, HashMap<u64, Duration>>>,
    waiting: Mutex<VecDeque<Saying>>,
    has_waiting: Notify,
}

/// What a note says.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    node: u64,
    said: Vec<Saying>,
}

/// One thing of a note.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "t", rename_all = "snake_case")]
pub(crate) enum Saying {
    /// They are at the node that says so.
    Here { user: String },
    /// They are not there any more.
    Gone { user: String },
    /// They type, or do not any more.
    Typing { user: String, data: Value },
    /// The node has only begun to listen: who is where?
    Who,
}

/// What is to be passed on here of what was heard.
#[derive(Debug, PartialEq)]
pub(crate) enum Heard {
    Here(UserId),
    Gone(UserId),
    Typing(UserId, Value),
    Who,
}

impl Elsewhere {
    /// What a node of that name begins with, which is not alone.
    pub(crate) fn of(node: u64) -> Self {
        Self { node: Some(node), ..Self::default() }
    }

    pub(crate) fn say_here(&self, user: &UserId) {
        self.say(|| Saying::Here { user: user.to_string() });
    }

    pub(crate) fn say_gone(&self, user: &UserId) {
        self.say(|| Saying::Gone { user: user.to_string() });
    }

    pub(crate) fn say_typing(&self, user: &UserId, data: &Value) {
        self.say(|| Saying::Typing { user: user.to_string(), data: data.clone() });
    }

    /// Has it told to the others. Of what is too much the oldest is left out: it is old news.
    fn say(&self, saying: impl FnOnce() -> Saying) {
        if self.node.is_none() {
            return;
        }
        let mut waiting = lock(&self.waiting);
        if waiting.len() >= SAYINGS_WAITING_MAX {
            waiting.pop_front();
        }
        waiting.push_back(saying());
        self.has_waiting.notify_one();
    }

    /// Whether some other node has the user.
    pub(crate) fn has(&self, user: &UserId) -> bool {
        lock(&self.present).contains_key(user)
    }

    /// The next note for the others, if there is anything to tell them.
    fn note(&self) -> Option<String> {
        let node = self.node?;
        let mut waiting = lock(&self.waiting);
        let mut note = format!(r#"{{"node":{node},"said":["#);
        let begins = note.len();
        while let Some(saying) = waiting.front() {
            // Texts are always written.
            let said = serde_json::to_string(saying).unwrap_or_default();
            let is_first = note.len() == begins;
            if !is_first && note.len() + said.len() + 3 > NOTE_BYTES_MAX {
                break;
            }
            if !is_first {
                note.push(',');
            }
            note += &said;
            waiting.pop_front();
        }
        let has_any = note.len() > begins;
        note += "]}";
        has_any.then_some(note)
    }

    /// Takes a note in: what is new of it here. `is_here` says whether this node has a user itself.
    pub(crate) fn hear(&self, note: &str, now: Duration, is_here: impl Fn(&UserId) -> bool) -> Vec<Heard> {
        let Ok(Note { node, said }) = serde_json::from_str(note) else { return Vec::new() };
        if self.node == Some(node) {
            return Vec::new();
        }
        let news = said.into_iter().filter_map(|saying| match saying {
            Saying::Here { user } => {
                let user: UserId = user.parse().ok()?;
                let is_new = self.arrived(&user, node, now) && !is_here(&user);
                is_new.then_some(Heard::Here(user))
            }
            Saying::Gone { user } => {
                let user: UserId = user.parse().ok()?;
                let is_new = self.left(&user, node) && !is_here(&user);
                is_new.then_some(Heard::Gone(user))
            }
            Saying::Typing { user, data } => Some(Heard::Typing(user.parse().ok()?, data)),
            Saying::Who => Some(Heard::Who),
        });
        news.collect()
    }

    /// Whether no other node had them.
    fn arrived(&self, user: &UserId, node: u64, now: Duration) -> bool {
        let mut present = lock(&self.present);
        let is_new = !present.contains_key(user);
        if is_new && present.len() >= ELSEWHERE_MAX {
            return false;
        }
        present.entry(user.clone()).or_default().insert(node, now);
        is_new
    }

    /// Whether that was the last one to have them.
    fn left(&self, user: &UserId, node: u64) -> bool {
        let mut present = lock(&self.present);
        let Some(nodes) = present.get_mut(user) else { return false };
        nodes.remove(&node);
        nodes.is_empty() && present.remove(user).is_some()
    }

    /// Forgets what was not said again for a while, since a node has ended or its notes are lost: of whom nobody says any
    /// more that they are there.
    pub(crate) fn forget(&self, now: Duration) -> HashSet<UserId> {
        let mut gone = HashSet::new();
        lock(&self.present).retain(|user, nodes| {
            nodes.retain(|_, said_at| now.saturating_sub(*said_at) < HERE_LASTS);
            if nodes.is_empty() {
                gone.insert(user.clone());
            }
            !nodes.is_empty()
        });
        gone
    }
}

impl Hub {
    /// Tells the other nodes what there is to tell, until the program is told to stop.
    pub(super) async fn tell_others(&self, stopping: &CancellationToken) {
        let elsewhere = &self.rooms.elsewhere;
        while !stopping.is_cancelled() {
            tokio::select! {
                () = stopping.cancelled() => return,
                () = elsewhere.has_waiting.notified() => {}
            }
            self.clock.sleep(NOTES_GATHER_FOR).await;
            while let Some(note) = elsewhere.note() {
                if let Err(error) = self.store.pass_note(&note).await {
                    tracing::debug!(%error, "a note to other nodes is lost");
                    break;
                }
            }
        }
    }

    /// Hears what the other nodes tell, until the program is told to stop.
    pub(super) async fn hear_others(&self, stopping: &CancellationToken) {
        while !stopping.is_cancelled() {
            let heard = tokio::select! {
                () = stopping.cancelled() => return,
                heard = self.listen() => heard,
            };
            if let Err(error) = heard {
                tracing::debug!(%error, "other nodes cannot be heard now");
            }
            self.clock.sleep(NOTES_LISTENED_TO_AGAIN_AFTER).await;
        }
    }

    async fn listen(&self) -> Result<(), StoreError> {
        let mut notes = self.store.notes().await?;
        self.rooms.elsewhere.say(|| Saying::Who);
        self.rooms.say_here();
        loop {
            let note = notes.next().await?;
            self.rooms.hear(&note, self.clock.elapsed());
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn user(number: usize) -> UserId {
        format!("user {number}").parse().unwrap()
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_user_is_told_of_once_however_many_nodes_have_them() {
        let (here, one, other) = (Elsewhere::of(1), Elsewhere::of(2), Elsewhere::of(3));
        let hear = |from: &Elsewhere| here.hear(&from.note().unwrap(), at(0), |_| false);
        one.say_here(&user(1));
        assert_eq!(hear(&one), [Heard::Here(user(1))]);
        other.say_here(&user(1));
        one.say_here(&user(1));
        assert_eq!(hear(&other), []);
        assert_eq!(hear(&one), []);
        one.say_gone(&user(1));
        assert_eq!(hear(&one), []);
        other.say_gone(&user(1));
        other.say_gone(&user(1));
        assert_eq!(hear(&other), [Heard::Gone(user(1))]);
        assert!(!here.has(&user(1)));
    }

    #[test]
    fn of_whom_this_node_has_itself_nothing_is_new() {
        let (here, one) = (Elsewhere::of(1), Elsewhere::of(2));
        one.say_here(&user(1));
        one.say_gone(&user(1));
        one.say_typing(&user(1), &json!({ "state": "started" }));
        let note = one.note().unwrap();
        assert_eq!(
            here.hear(&note, at(0), |_| true),
            [Heard::Typing(user(1), json!({ "state": "started" }))]
        );
        assert_eq!(one.hear(&note, at(0), |_| false), [], "nobody hears their own notes");
        assert_eq!(here.hear("what is no note", at(0), |_| false), []);
    }

    #[test]
    fn who_is_not_spoken_of_any_more_has_gone() {
        let (here, one) = (Elsewhere::of(1), Elsewhere::of(2));
        one.say_here(&user(1));
        one.say_here(&user(2));
        here.hear(&one.note().unwrap(), at(0), |_| false);
        one.say_here(&user(2));
        here.hear(&one.note().unwrap(), at(20), |_| false);
        assert_eq!(here.forget(at(29)), HashSet::new());
        assert_eq!(here.forget(at(30)), HashSet::from([user(1)]));
        assert!(here.has(&user(2)));
    }

    #[test]
    fn much_goes_in_several_notes_and_a_node_alone_says_nothing() {
        let (here, one, alone) = (Elsewhere::of(1), Elsewhere::of(2), Elsewhere::default());
        for number in 0..1_000 {
            one.say_here(&user(number));
            alone.say_here(&user(number));
        }
        assert!(alone.note().is_none());
        let mut heard = 0;
        while let Some(note) = one.note() {
            assert!(note.len() <= NOTE_BYTES_MAX);
            heard += here.hear(&note, at(0), |_| false).len();
        }
        assert_eq!(heard, 1_000);
    }
}
