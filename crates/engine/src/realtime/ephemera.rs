//! Rooms: where the connections of one user hear that there is something new, and what is passed on without being kept.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::UserId;
use serde_json::{Value, json};
use store::Position;

use super::crier::Rung;
use super::elsewhere::{Elsewhere, Heard};
use super::line::Line;
use super::scope::Scope;
use super::tail::Entry;
use crate::clock::Clock;
use crate::limits::{PRESENCE_LINGERS, TYPING_EVERY, TYPING_MAX, WHISPERS_MAX};

/// The kind of a whisper that somebody has come or gone. Only a stream that names it hears it.
pub const PRESENCE: &str = "presence";

/// The kind of a whisper that somebody types.
pub const TYPING: &str = "typing";

/// Something that is passed on and not kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Whisper {
    /// What kind of thing.
    pub kind: &'static str,
    /// Who it is about.
    pub from: UserId,
    /// What it says.
    pub data: Value,
    /// The connection that it came from, which does not hear it.
    pub by: Option<u64>,
}

impl Whisper {
    /// Whether a connection with this scope hears it.
    pub(crate) fn reaches(&self, scope: &Scope, connection: u64) -> bool {
        let is_asked_for = self.kind != PRESENCE || scope.names(PRESENCE);
        scope.hears_ephemera()
            && scope.covers(Some(&self.from))
            && is_asked_for
            && self.by != Some(connection)
    }
}

/// Where the log stands, for the connections of one room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Marks {
    /// The newest event of the room.
    pub(crate) latest: Position,
    /// The newest before that batch of events.
    pub(crate) before: Position,
    /// Where that batch began. Between the two there is nothing of the room.
    pub(crate) from: Position,
}

#[derive(Debug, Default)]
struct Room(Mutex<Within>);

/// What a room holds.
#[derive(Debug)]
struct Within {
    marks: Marks,
    /// Whispers so far, and the newest of them.
    whispered: u64,
    whispers: VecDeque<Arc<Whisper>>,
    /// By when they came. What was made one after another lies side by side in memory, ours and the system's, so that to go
    /// round in that order is a good deal faster.
    lines: BTreeMap<u64, Arc<Line>>,
    entered: u64,
}

impl Default for Within {
    fn default() -> Self {
        let none = Position::START;
        let marks = Marks { latest: none, before: none, from: none };
        Self { marks, whispered: 0, whispers: VecDeque::new(), lines: BTreeMap::new(), entered: 0 }
    }
}

impl Room {
    fn within(&self) -> MutexGuard<'_, Within> {
        lock(&self.0)
    }

    /// Marks what is new; who is there, with these marks.
    fn mark(&self, latest: Position, from: Position) -> Vec<Rung> {
        let mut within = self.within();
        within.marks = Marks { before: within.marks.latest, latest, from };
        let marks = within.marks;
        within.lines.values().map(|line| (Arc::clone(line), marks)).collect()
    }

    /// Marks that what lies before `end` is not known, and rings for all: nobody has seen what is between, and nobody may
    /// step over it.
    fn skip(&self, end: Position) {
        let mut within = self.within();
        within.marks = Marks { latest: end, before: end, from: end };
        within.ring();
    }

    fn whisper(&self, whisper: &Arc<Whisper>) {
        let mut within = self.within();
        within.whispered += 1;
        within.whispers.push_back(Arc::clone(whisper));
        if within.whispers.len() > WHISPERS_MAX {
            within.whispers.pop_front();
        }
        within.ring();
    }
}

impl Within {
    fn ring(&self) {
        for line in self.lines.values() {
            line.ring();
        }
    }
}

/// All rooms: one for each user who is streamed, and one for those who see everyone.
#[derive(Debug, Default)]
pub(crate) struct Rooms {
    everyone: Arc<Room>,
    users: Mutex<HashMap<UserId, Occupied>>,
    typing: Mutex<HashMap<(UserId, String), Typing>>,
    /// The users of other nodes.
    pub(super) elsewhere: Elsewhere,
}

#[derive(Debug, Default)]
struct Occupied {
    room: Arc<Room>,
    /// Connections of the user's own.
    own: usize,
    /// Connections of others, who look on.
    others: usize,
    /// The user has gone at this time, by the clock that never goes back, and nobody has been told yet.
    left_at: Option<Duration>,
}

#[derive(Debug)]
struct Typing {
    told_at: Duration,
    /// What has been said since.
    waiting: Option<Arc<Whisper>>,
}

/// A connection's place in a room, until it is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    rooms: Arc<Rooms>,
    room: Arc<Room>,
    user: Option<UserId>,
    is_own: bool,
    clock: Arc<dyn Clock>,
    line: Arc<Line>,
    /// The line's place in the room.
    number: u64,
    /// Whispers of the room that have been heard, or were there before.
    heard: u64,
}

impl Seat {
    /// Where the room stands.
    pub(crate) fn marks(&self) -> Marks {
        self.room.within().marks
    }

    /// What has been whispered since the last call.
    pub(crate) fn whispers(&mut self) -> Vec<Arc<Whisper>> {
        let within = self.room.within();
        let missed = usize::try_from(within.whispered - self.heard).unwrap_or(usize::MAX);
        self.heard = within.whispered;
        let known = within.whispers.len();
        within.whispers.range(known.saturating_sub(missed)..).cloned().collect()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.room.within().lines.remove(&self.number);
        self.line.hang_up();
        self.rooms.leave(self.user.as_ref(), self.is_own, self.clock.elapsed());
    }
}

impl Rooms {
    /// Rooms of a node that has others beside it, or none.
    pub(crate) fn beside(elsewhere: Elsewhere) -> Self {
        Self { elsewhere, ..Self::default() }
    }

    /// Takes a place in the room of what the line's session shows. It is the user's own, of whom so many may be there, or
    /// somebody's who looks on. `None` where the user has that many.
    pub(crate) fn enter(
        self: &Arc<Self>,
        line: &Arc<Line>,
        own_max: Option<usize>,
        clock: &Arc<dyn Clock>,
    ) -> Option<Seat> {
        let user = line.session().scope().user().cloned();
        let room = match &user {
            None => Arc::clone(&self.everyone),
            Some(user) => self.enter_user(user, own_max)?,
        };
        let (number, heard) = {
            let mut within = room.within();
            within.entered += 1;
            let number = within.entered;
            within.lines.insert(number, Arc::clone(line));
            (number, within.whispered)
        };
        Some(Seat {
            rooms: Arc::clone(self),
            room,
            user,
            is_own: own_max.is_some(),
            clock: Arc::clone(clock),
            line: Arc::clone(line),
            number,
            heard,
        })
    }

    /// Whether a user has so many connections of their own.
    pub(crate) fn is_full(&self, user: &UserId, own_max: usize) -> bool {
        lock(&self.users).get(user).is_some_and(|occupied| occupied.own >= own_max)
    }

    fn enter_user(&self, user: &UserId, own_max: Option<usize>) -> Option<Arc<Room>> {
        let is_own = own_max.is_some();
        let (room, has_come) = {
            let mut users = lock(&self.users);
            let occupied = users.entry(user.clone()).or_default();
            if own_max.is_some_and(|own_max| occupied.own >= own_max) {
                return None;
            }
            let has_come = is_own && occupied.own == 0 && occupied.left_at.take().is_none();
            *(if is_own { &mut occupied.own } else { &mut occupied.others }) += 1;
            (Arc::clone(&occupied.room), has_come)
        };
        if has_come {
            self.elsewhere.say_here(user);
            if !self.elsewhere.has(user) {
                self.whisper(&presence(user, "online"));
            }
        }
        Some(room)
    }

    fn leave(&self, user: Option<&UserId>, was_own: bool, now: Duration) {
        let Some(user) = user else { return };
        let mut users = lock(&self.users);
        let Some(occupied) = users.get_mut(user) else { return };
        *(if was_own { &mut occupied.own } else { &mut occupied.others }) -= 1;
        if was_own && occupied.own == 0 {
            occupied.left_at = Some(now);
        } else if occupied.is_empty() {
            users.remove(user);
        }
    }

    /// Marks `entries`, which are what the log holds after `from`; whoever they concern.
    pub(crate) fn ring(&self, entries: &[Arc<Entry>], from: Position) -> Vec<Rung> {
        let Some(last) = entries.last() else { return Vec::new() };
        let mut latest: HashMap<&UserId, Position> = HashMap::new();
        for entry in entries {
            latest.extend(entry.event.user_id.as_ref().map(|user| (user, entry.position)));
        }
        let mut rung = self.everyone.mark(last.position, from);
        let users = lock(&self.users);
        for (user, latest) in latest {
            rung.extend(users.get(user).into_iter().flat_map(|occupied| occupied.room.mark(latest, from)));
        }
        rung
    }

    /// Has everybody look for themselves: what lies before `end` is not known.
    pub(crate) fn ring_all(&self, end: Position) {
        for occupied in lock(&self.users).values() {
            occupied.room.skip(end);
        }
        self.everyone.skip(end);
    }

    /// Passes it on to the user's connections, and to those who see everyone.
    pub(crate) fn whisper(&self, whisper: &Arc<Whisper>) {
        if let Some(occupied) = lock(&self.users).get(&whisper.from) {
            occupied.room.whisper(whisper);
        }
        self.everyone.whisper(whisper);
    }

    /// Passes on that somebody types in a conversation, or does not any more: at most once in [`TYPING_EVERY`], and then
    /// what was said last.
    pub(crate) fn type_in(&self, conversation: &str, whisper: Whisper, now: Duration) {
        let key = (whisper.from.clone(), conversation.to_owned());
        let whisper = Arc::new(whisper);
        {
            let mut typing = lock(&self.typing);
            let has_room = typing.len() < TYPING_MAX;
            match typing.get_mut(&key) {
                Some(known) if now.saturating_sub(known.told_at) < TYPING_EVERY => {
                    known.waiting = Some(whisper);
                    return;
                }
                None if !has_room => return,
                _ => typing.insert(key, Typing { told_at: now, waiting: None }),
            };
        }
        self.pass_on(&whisper);
    }

    /// Passes typing on, here and at the other nodes.
    fn pass_on(&self, typing: &Arc<Whisper>) {
        self.whisper(typing);
        self.elsewhere.say_typing(&typing.from, &typing.data);
    }

    /// Tells what has waited for long enough: that somebody has gone, and what was last said of somebody's typing.
    pub(crate) fn tell_due(&self, now: Duration) {
        for user in self.gone(now) {
            self.elsewhere.say_gone(&user);
            if !self.elsewhere.has(&user) {
                self.whisper(&presence(&user, "offline"));
            }
        }
        for typing in self.typing_due(now) {
            self.pass_on(&typing);
        }
        lock(&self.users).retain(|_, occupied| !occupied.is_empty());
    }

    fn gone(&self, now: Duration) -> Vec<UserId> {
        let mut gone = Vec::new();
        for (user, occupied) in lock(&self.users).iter_mut() {
            if occupied.left_at.is_some_and(|left_at| now.saturating_sub(left_at) >= PRESENCE_LINGERS) {
                occupied.left_at = None;
                gone.push(user.clone());
            }
        }
        gone
    }

    /// Takes in what another node tells.
    pub(crate) fn hear(&self, note: &str, now: Duration) {
        for heard in self.elsewhere.hear(note, now, |user| self.has_here(user)) {
            match heard {
                Heard::Here(user) => self.whisper(&presence(&user, "online")),
                Heard::Gone(user) => self.whisper(&presence(&user, "offline")),
                Heard::Typing(from, data) => {
                    self.whisper(&Arc::new(Whisper { kind: TYPING, from, data, by: None }));
                }
                Heard::Who => self.say_here(),
            }
        }
    }

    /// Says again to the other nodes who is here, and forgets who they have not said to be there for a while.
    pub(crate) fn say_who_is_here(&self, now: Duration) {
        for user in self.elsewhere.forget(now) {
            if !self.has_here(&user) {
                self.whisper(&presence(&user, "offline"));
            }
        }
        self.say_here();
    }

    /// Tells the other nodes who is here.
    pub(crate) fn say_here(&self) {
        for (user, occupied) in lock(&self.users).iter() {
            if occupied.is_present() {
                self.elsewhere.say_here(user);
            }
        }
    }

    fn has_here(&self, user: &UserId) -> bool {
        lock(&self.users).get(user).is_some_and(Occupied::is_present)
    }

    fn typing_due(&self, now: Duration) -> Vec<Arc<Whisper>> {
        let mut due = Vec::new();
        lock(&self.typing).retain(|_, typing| {
            if now.saturating_sub(typing.told_at) < TYPING_EVERY {
                return true;
            }
            let waiting = typing.waiting.take();
            typing.told_at = now;
            let stays = waiting.is_some();
            due.extend(waiting);
            stays
        });
        due
    }
}

impl Occupied {
    fn is_empty(&self) -> bool {
        self.others == 0 && !self.is_present()
    }

    /// Whether the user is here, or has left just now.
    fn is_present(&self) -> bool {
        self.own > 0 || self.left_at.is_some()
    }
}

fn presence(user: &UserId, state: &str) -> Arc<Whisper> {
    Arc::new(Whisper { kind: PRESENCE, from: user.clone(), data: json!({ "state": state }), by: None })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use domain::Access;

    use super::*;
    use crate::clock::SystemClock;
    use crate::realtime::Grant;

    fn user(name: &str) -> UserId {
        name.parse().unwrap()
    }

    fn scope(access: Access, types: &[&str]) -> Scope {
        let types = types.iter().map(|types| types.parse().unwrap()).collect();
        Grant::of(access).scope(None, types).unwrap()
    }

    fn enter(rooms: &Arc<Rooms>, scope: &Scope, is_own: bool, clock: &Arc<dyn Clock>) -> Seat {
        rooms.enter(&Line::to_nobody(scope), is_own.then_some(2), clock).unwrap()
    }

    fn typing(state: &str) -> Whisper {
        Whisper { kind: TYPING, from: user("alice"), data: json!(state), by: Some(1) }
    }

    fn data(seat: &mut Seat) -> Vec<Value> {
        seat.whispers().iter().map(|whisper| whisper.data.clone()).collect()
    }

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn of_much_typing_the_first_and_the_last_are_told() {
        let (rooms, clock) = (Arc::new(Rooms::default()), Arc::new(SystemClock::new()) as Arc<_>);
        let mut alice = enter(&rooms, &scope(Access::User(user("alice")), &[]), true, &clock);
        let mut bob = enter(&rooms, &scope(Access::User(user("bob")), &[]), true, &clock);
        let _came = alice.whispers();
        rooms.type_in("c", typing("1"), at(0));
        rooms.type_in("c", typing("2"), at(300));
        rooms.type_in("d", typing("other"), at(300));
        rooms.type_in("c", typing("3"), at(600));
        rooms.tell_due(at(999));
        assert_eq!(data(&mut alice), [json!("1"), json!("other")]);
        rooms.tell_due(at(1_000));
        assert_eq!(data(&mut alice), [json!("3")]);
        rooms.type_in("c", typing("4"), at(1_500));
        assert_eq!(data(&mut alice), [] as [Value; 0]);
        rooms.tell_due(at(2_000));
        assert_eq!(data(&mut alice), [json!("4")]);
        rooms.tell_due(at(4_000));
        assert!(lock(&rooms.typing).is_empty(), "what is over is forgotten");
        assert!(bob.whispers().iter().all(|whisper| whisper.kind == PRESENCE));
    }

    #[test]
    fn a_whisper_reaches_the_users_other_connections_alone() {
        let (alices, bobs) = (scope(Access::User(user("alice")), &[]), scope(Access::User(user("bob")), &[]));
        assert!(typing("x").reaches(&alices, 2));
        assert!(!typing("x").reaches(&alices, 1), "not the one that it came from");
        assert!(!typing("x").reaches(&bobs, 2));
        assert!(typing("x").reaches(&scope(Access::Admin, &[]), 2));
        let narrow =
            Grant { types: Some(vec!["a.b".parse().unwrap()]), ..Grant::of(Access::User(user("alice"))) };
        assert!(!typing("x").reaches(&narrow.scope(None, vec![]).unwrap(), 2));
        let presence = presence(&user("alice"), "online");
        assert!(!presence.reaches(&scope(Access::Admin, &[]), 2), "it must be named");
        assert!(presence.reaches(&scope(Access::Admin, &["*", "presence"]), 2));
    }

    #[test]
    fn a_user_has_so_many_places_and_no_more() {
        let (rooms, clock) = (Arc::new(Rooms::default()), Arc::new(SystemClock::new()) as Arc<_>);
        let (alices, bobs) = (scope(Access::User(user("alice")), &[]), scope(Access::User(user("bob")), &[]));
        let mut seats = [(); 2].map(|()| Some(enter(&rooms, &alices, true, &clock)));
        assert!(
            rooms.is_full(&user("alice"), 2)
                && rooms.enter(&Line::to_nobody(&alices), Some(2), &clock).is_none()
        );
        let _others = [enter(&rooms, &bobs, true, &clock), enter(&rooms, &alices, false, &clock)];
        seats[0] = None;
        assert!(
            !rooms.is_full(&user("alice"), 2)
                && rooms.enter(&Line::to_nobody(&alices), Some(2), &clock).is_some()
        );
    }

    #[test]
    fn a_user_who_comes_back_soon_has_not_gone() {
        let (rooms, clock) = (Arc::new(Rooms::default()), Arc::new(SystemClock::new()) as Arc<_>);
        let mut admin = enter(&rooms, &scope(Access::Admin, &["presence"]), false, &clock);
        let alices = scope(Access::User(user("alice")), &[]);
        let seats = [(); 2].map(|()| enter(&rooms, &alices, true, &clock));
        assert_eq!(data(&mut admin), [json!({ "state": "online" })]);
        let left = clock.elapsed();
        drop(seats);
        rooms.tell_due(left + PRESENCE_LINGERS / 2);
        drop(enter(&rooms, &alices, true, &clock));
        assert!(data(&mut admin).is_empty());
        rooms.tell_due(clock.elapsed() + PRESENCE_LINGERS);
        assert_eq!(data(&mut admin), [json!({ "state": "offline" })]);
        assert!(lock(&rooms.users).is_empty());
    }
}
