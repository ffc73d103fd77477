//! What SQLite does in its own words: every write that is more than one statement of one row.

use std::collections::{HashMap, HashSet};

use const_format::{formatcp, str_replace};
use domain::attempt::Attempt;
use domain::batch::Batch;
use domain::delivery::{Claim, Delivery};
use domain::event::DedupeKey;
use domain::job::Only;
use domain::limits::BATCH_BYTES_MAX;
use domain::{DeliveryId, EventId, SourceId, SubscriptionId, Timestamp, UserId};

use super::generations::{GENERATION, Generations};
use super::multirow::MultiRow;
use super::recent::RecentKeys;
use super::users::UserEvent;
use super::writer::{Binder, Desk, LogEnd, Transaction};
use crate::ends::{Ends, count_ends};
use crate::hours::count_hours;
use crate::rows::{StateColumns, ordering_key_bytes, state_columns};
use crate::sql::{Row, Statement, Value, args};
use crate::*;

macro_rules! statements {
    ($($name:ident = $label:literal $text:expr;)*) => {
        $(const $name: Statement = Statement::new($label, $text);)*
        #[cfg(test)]
        pub(super) const STATEMENTS: &[&Statement] = &[$(&$name),*];
    };
}

pub(super) const HEAD: Statement =
    Statement::new("head", "SELECT max(position, (SELECT coalesce(max(position), 0) FROM events)) FROM log");

/// A statement that begins with the first of each line.
macro_rules! along_lines {
    ($path:literal) => {
        str_replace!(include_str!($path), "{lines}", include_str!("../../sql/sqlite/lines.sql"))
    };
}

statements! {
    TAKE_KEY = "take_key" include_str!("../../sql/sqlite/take_key.sql");
    LOG_END = "log_end"
        "SELECT max(position, (SELECT coalesce(max(position), 0) FROM events)), routes_version, keys_indexed_to,
                users_indexed_to
         FROM log";
    UNINDEXED_KEYS = "unindexed_keys"
        "SELECT dedupe_key, position FROM events WHERE position > $1 AND dedupe_key IS NOT NULL ORDER BY position";
    UNINDEXED_USERS = "unindexed_users"
        "SELECT user_id, id, position FROM events WHERE position > $1 AND user_id IS NOT NULL ORDER BY position";
    FIND_KEYS = "find_keys"
        "SELECT dedupe_keys.key, position
         FROM json_each($1) AS asked
              JOIN dedupe_keys ON run = asked.value ->> 0 AND dedupe_keys.key = unhex(asked.value ->> 1)";
    IDS = "ids" "SELECT position, id FROM events WHERE position IN (SELECT value FROM json_each($1))";
    KEYS_INDEXED_TO = "keys_indexed_to" "UPDATE log SET keys_indexed_to = $1";
    USERS_INDEXED_TO = "users_indexed_to" "UPDATE log SET users_indexed_to = $1";
    MOVE_HEAD = "move_head" "UPDATE log SET position = $1";
    OWABLE = "owable" include_str!("../../sql/sqlite/owable.sql");
    DUE = "due" along_lines!("../../sql/sqlite/due.sql");
    CLAIM = "claim" include_str!("../../sql/sqlite/claim.sql");
    CLAIMED = "claimed" str_replace!(
        str_replace!(include_str!("../../sql/sqlite/claimed.sql"), "{deliveries}", rows::DELIVERY_OF_TABLE),
        "{events}",
        rows::EVENT_OF_TABLE
    );
    DUE_BATCH = "due_batch" include_str!("../../sql/sqlite/due_batch.sql");
    GATHER = "gather" along_lines!("../../sql/sqlite/gather.sql");
    CLAIM_BATCH = "claim_batch"
        "WITH named (batch) AS MATERIALIZED (SELECT randomblob(16))
         UPDATE deliveries
         SET status = 'processing', next_attempt_at = NULL, claimed_by = $1, claim_deadline = $2,
             batch = coalesce(batch, (SELECT batch FROM named))
         WHERE id IN (SELECT unhex(value) FROM json_each($3))";
    CLAIMED_BATCH = "claimed_batch" str_replace!(
        str_replace!(
            str_replace!(include_str!("../../sql/sqlite/claimed.sql"), "{deliveries}", rows::DELIVERY_OF_TABLE),
            "{events}",
            rows::EVENT_OF_TABLE
        ),
        "ORDER BY claimed.key",
        "ORDER BY events.position, deliveries.id"
    );
    CLAIM_TASKS = "claim_tasks" include_str!("../../sql/sqlite/claim_tasks.sql");
    CREATE_JOB = "create_job" tables::jobs::INSERT;
    CHANGE_JOB = "change_job" tables::jobs::UPDATE;
    CREATE_SUBSCRIPTION = "create_subscription" tables::subscriptions::INSERT;
    CHANGE_SUBSCRIPTION = "change_subscription" tables::subscriptions::UPDATE;
    DELETE_SUBSCRIPTION = "delete_subscription" "DELETE FROM subscriptions WHERE id = $1";
    COUNT_REMOVED_SOURCE = "count_removed_source"
        "UPDATE removed_sources SET revisions = revisions + 1 + (SELECT revision FROM sources WHERE id = $1)
         WHERE EXISTS (SELECT 1 FROM sources WHERE id = $1)";
    DELETE_SOURCE = "delete_source" "DELETE FROM sources WHERE id = $1";
    FORGIVE = "forgive"
        "UPDATE subscription_statistics SET failing_since = NULL
         WHERE subscription_id = $1 AND EXISTS (SELECT 1 FROM subscriptions
                                               WHERE id = $1 AND is_active <> $2 AND revision = $3)";
    MOVE_ROUTES = "move_routes" "UPDATE log SET routes_version = routes_version + 1";
    NOTE_ROUTE = "note_route"
        "INSERT INTO route_changes (version, subscription_id) SELECT routes_version, $1 FROM log";
    FORGET_ROUTE = "forget_route" formatcp!(
        "DELETE FROM route_changes WHERE version <= (SELECT routes_version FROM log) - {ROUTE_CHANGES_KEPT}"
    );
    HOLD = "hold"
        "UPDATE deliveries SET status = 'held', next_attempt_at = NULL
         WHERE subscription_id = $1 AND status IN ('pending', 'retrying') AND ordering_key IS NULL";
    HOLD_LINES = "hold_lines"
        "UPDATE deliveries SET status = 'held', next_attempt_at = NULL
         WHERE subscription_id = $1 AND status IN ('pending', 'retrying') AND ordering_key IS NOT NULL";
    RELEASE = "release"
        "UPDATE deliveries SET status = 'pending', next_attempt_at = $2
         WHERE subscription_id = $1 AND status = 'held'";
    CANCEL = "cancel"
        "UPDATE deliveries SET status = 'cancelled', completed_at = $2, next_attempt_at = NULL, claimed_by = NULL,
             claim_deadline = NULL
         WHERE subscription_id = $1 AND status IN ('pending', 'retrying', 'held', 'processing')";
}

static INSERT_EVENTS: MultiRow = MultiRow::new(
    "insert_events",
    "INSERT OR FAIL INTO events
         (position, id, event_type, user_id, source, provider, occurred_at, received_at, dedupe_key, data, raw)
     VALUES {rows}",
    "(?,?,?,?,?,?,?,?,?,?,?)",
);
static INDEX_KEYS: MultiRow = MultiRow::new(
    "index_keys",
    "INSERT OR IGNORE INTO dedupe_keys (run, key, position) VALUES {rows}",
    "(?,?,?)",
);
static INDEX_USERS: MultiRow = MultiRow::new(
    "index_users",
    "INSERT OR IGNORE INTO user_events (user_id, id, position) VALUES {rows}",
    "(?,?,?)",
);
static INSERT_DELIVERIES: MultiRow = MultiRow::new(
    "insert_deliveries",
    include_str!("../../sql/sqlite/insert_deliveries.sql"),
    "(?,?,?,?,?,?,?,?,?,?,0,?,0,?,?,NULL,NULL,NULL,?,?)",
);
static CHANGE_DELIVERIES: MultiRow = MultiRow::new(
    "change_deliveries",
    include_str!("../../sql/sqlite/change_deliveries.sql"),
    "(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
);
static INSERT_ATTEMPTS: MultiRow = MultiRow::new(
    "insert_attempts",
    include_str!("../../sql/sqlite/insert_attempts.sql"),
    "(?,?,?,?,?,?,?,?,?,?)",
);
static COUNT_ENDS: MultiRow =
    MultiRow::new("count_ends", include_str!("../../sql/sqlite/count_ends.sql"), "(?,?,?,?,?,?,?,?)");
static COUNT_HOURS: MultiRow =
    MultiRow::new("count_hours", include_str!("../../sql/sqlite/count_hours.sql"), "(?,?,?,?,?,?,?,?,?)");

#[cfg(test)]
pub(super) static MULTI_ROW: [&MultiRow; 8] = [
    &INSERT_EVENTS,
    &INDEX_KEYS,
    &INDEX_USERS,
    &INSERT_DELIVERIES,
    &CHANGE_DELIVERIES,
    &INSERT_ATTEMPTS,
    &COUNT_ENDS,
    &COUNT_HOURS,
];

/// Places in the index that one statement looks at: 40 bytes of its text are each.
const PLACES_ASKED_MAX: usize = 4_096;

/// Events of a user that are moved into the index at once: what waits for the writer meanwhile waits some milliseconds.
const USER_EVENTS_MOVED_MAX: usize = 2_048;

/// An event of a batch, and where it is in the log: where it will be, or where its first has been.
struct Placed<'a> {
    new: &'a NewEvent,
    position: Position,
    is_new: bool,
    id: EventId,
}

impl Placed<'_> {
    fn of_user(&self) -> Option<UserEvent> {
        let user = self.new.event.user_id.clone()?;
        Some(UserEvent { user, id: self.id, position: self.position })
    }
}

pub(super) fn append(
    desk: &mut Desk,
    appends: &[Append],
    routes: RoutesVersion,
    now: Timestamp,
) -> Result<Appended> {
    let mut end = match desk.log.take() {
        Some(end) => end,
        None => read_log_end(desk, GENERATION)?,
    };
    if end.routes != routes {
        desk.log = Some(end);
        return Ok(Appended::StaleRoutes);
    }
    desk.runs.take_read();
    // Until it is committed the end stays out of its place: should anything fail, it is read anew.
    let mut transaction = desk.begin()?;
    let taken = appends.iter().map(|append| is_key_taken(&transaction, append.idempotency.as_ref(), now));
    let taken = taken.collect::<Result<Vec<_>>>()?;
    let wanted = appends.iter().zip(&taken).filter(|&(_, &is_taken)| !is_taken).map(|(append, _)| append);
    let wanted: Vec<&NewEvent> = wanted.flat_map(|append| &append.events).collect();
    let indexed = find_keys(&transaction, &wanted)?;
    let mut placed = place(&wanted, &indexed, &mut end);
    let new: Vec<&Placed<'_>> = placed.iter().filter(|placed| placed.is_new).collect();
    INSERT_EVENTS.run(&transaction, &new, |placed, row| bind_event(placed, row))?;
    // Not sooner: one event of the batch may repeat another.
    name_repeats(&transaction, &mut placed)?;
    let new = placed.iter().filter(|placed| placed.is_new);
    let owed =
        new.clone().flat_map(|placed| placed.new.deliveries.iter().map(|owed| (owed, placed.position)));
    let owed: Vec<_> = owed.collect();
    INSERT_DELIVERIES.run(&transaction, &owed, bind_delivery)?;
    index_keys(&mut transaction, &end.keys)?;
    index_users(&transaction)?;
    transaction.commit()?;
    let keyed = new.clone().filter_map(|placed| Some((placed.new.dedupe_key?, placed.position)));
    end.keys.advance(keyed, end.position);
    desk.users.advance(new.filter_map(Placed::of_user), end.position);
    desk.log = Some(end);
    Ok(Appended::Durable(answer(appends, &taken, &placed)))
}

/// Reads what an append needs to know, and the keys that were not indexed when the program last ended.
pub(super) fn read_log_end(desk: &Desk, generation: i64) -> Result<LogEnd> {
    let lost = || StoreError::Corrupt("the log has lost its head".to_owned());
    let mut row = desk.fetch(&LOG_END, [])?.into_iter().next().ok_or_else(lost)?;
    let (position, routes) = (Position(row.int()?), RoutesVersion(row.int()?));
    let (keys_to, users_to) = (row.int()?, row.int()?);
    let since = |indexed_to| Generations::new(generation, Position(indexed_to), position);
    let key = |mut row: Row| Ok((dedupe_key(&mut row)?, Position(row.int()?)));
    let keys = desk.fetch(&UNINDEXED_KEYS, args![keys_to])?.into_iter().map(key);
    let keys = RecentKeys::new(since(keys_to), keys.collect::<Result<Vec<_>>>()?);
    let users = desk.fetch(&UNINDEXED_USERS, args![users_to])?.into_iter().map(user_event);
    desk.users.know(since(users_to), users.collect::<Result<Vec<_>>>()?);
    Ok(LogEnd { position, routes, keys })
}

fn user_event(mut row: Row) -> Result<UserEvent> {
    Ok(UserEvent { user: row.parsed()?, id: row.id()?, position: Position(row.int()?) })
}

pub(super) fn dedupe_key(row: &mut Row) -> Result<DedupeKey> {
    let bytes = row.bytes()?.try_into();
    bytes.map(DedupeKey::from_bytes).map_err(|_| StoreError::Corrupt("a dedupe key has 16 bytes".to_owned()))
}

/// Where the index says that events of these keys are.
fn find_keys(transaction: &Transaction<'_>, events: &[&NewEvent]) -> Result<HashMap<DedupeKey, Position>> {
    let runs = &transaction.desk.runs;
    let keys = events.iter().filter_map(|new| new.dedupe_key);
    let mut places = keys.flat_map(|key| runs.that_may_have(key).map(move |run| (run, key))).peekable();
    let mut found = HashMap::new();
    // Most often there is nothing to ask. Before the filters are read it may be every key in every run.
    while places.peek().is_some() {
        let piece = places.by_ref().take(PLACES_ASKED_MAX);
        let piece: Vec<_> = piece.map(|(run, key)| format!("[{run},\"{}\"]", hex(*key.as_bytes()))).collect();
        for mut row in transaction.desk.fetch(&FIND_KEYS, args![format!("[{}]", piece.join(","))])? {
            found.insert(dedupe_key(&mut row)?, Position(row.int()?));
        }
    }
    Ok(found)
}

/// Gives each event the next position, except those that repeat one that is there or one another.
fn place<'a>(
    events: &[&'a NewEvent],
    indexed: &HashMap<DedupeKey, Position>,
    end: &mut LogEnd,
) -> Vec<Placed<'a>> {
    let mut in_batch = HashMap::with_capacity(events.len());
    let place = |&new: &&'a NewEvent| {
        let id = new.event.id;
        let known = |key: DedupeKey| {
            end.keys.get(&key).or_else(|| indexed.get(&key).copied()).or_else(|| in_batch.get(&key).copied())
        };
        if let Some(position) = new.dedupe_key.and_then(known) {
            return Placed { new, position, is_new: false, id };
        }
        end.position.0 += 1;
        in_batch.extend(new.dedupe_key.map(|key| (key, end.position)));
        Placed { new, position: end.position, is_new: true, id }
    };
    events.iter().map(place).collect()
}

/// Looks up the ids of the events that were there before.
fn name_repeats(transaction: &Transaction<'_>, placed: &mut [Placed<'_>]) -> Result<()> {
    let positions: Vec<String> =
        placed.iter().filter(|placed| !placed.is_new).map(|placed| placed.position.0.to_string()).collect();
    if positions.is_empty() {
        return Ok(());
    }
    let mut ids = HashMap::with_capacity(positions.len());
    for mut row in transaction.desk.fetch(&IDS, args![format!("[{}]", positions.join(","))])? {
        ids.insert(Position(row.int()?), row.id()?);
    }
    for placed in placed.iter_mut().filter(|placed| !placed.is_new) {
        placed.id = *ids.get(&placed.position).ok_or_else(|| {
            StoreError::Corrupt(format!("the event at {} has left its dedupe key behind", placed.position.0))
        })?;
    }
    Ok(())
}

/// Moves a few of the keys that are in memory into the index.
fn index_keys(transaction: &mut Transaction<'_>, keys: &RecentKeys) -> Result<()> {
    let runs = &mut transaction.desk.runs;
    let due: Vec<_> =
        keys.due().iter().map(|&(key, position)| (runs.add(key, position), key, position)).collect();
    INDEX_KEYS.run(transaction, &due, |(run, key, position), row| {
        row.bind(*run).bind(key.as_bytes().as_slice()).bind(position.0);
    })?;
    if let Some(Position(indexed_to)) = keys.completes() {
        transaction.desk.run(&KEYS_INDEXED_TO, args![indexed_to])?;
    }
    Ok(())
}

/// Moves a few of the users' events that are in memory into the index.
fn index_users(transaction: &Transaction<'_>) -> Result<()> {
    let (due, completes) = transaction.desk.users.due();
    INDEX_USERS.run(transaction, &due, bind_user_event)?;
    if let Some(Position(indexed_to)) = completes {
        transaction.desk.run(&USERS_INDEXED_TO, args![indexed_to])?;
    }
    Ok(())
}

/// Moves some of the events of `user` that are in memory into the index, the oldest first.
pub(super) fn index_events_of(desk: &mut Desk, user: &UserId) -> Result<()> {
    if desk.log.is_none() {
        desk.log = Some(read_log_end(desk, GENERATION)?);
    }
    let events = desk.users.of(user, USER_EVENTS_MOVED_MAX);
    let transaction = desk.begin()?;
    INDEX_USERS.run(&transaction, &events, bind_user_event)?;
    transaction.commit()?;
    desk.users.moved_of(user, events.len());
    Ok(())
}

fn bind_user_event(event: &UserEvent, row: &mut Binder<'_, '_>) {
    row.bind(event.user.as_str()).id(event.id).bind(event.position.0);
}

/// Deals out what was kept to the appends it came from.
fn answer(appends: &[Append], taken: &[bool], placed: &[Placed<'_>]) -> Vec<Kept> {
    let mut kept = placed.iter().map(|p| KeptEvent { id: p.id, position: p.position, is_new: p.is_new });
    let answer = |(append, &is_taken): (&Append, &bool)| match is_taken {
        true => Kept::KeyTaken,
        false => Kept::Events(kept.by_ref().take(append.events.len()).collect()),
    };
    appends.iter().zip(taken).map(answer).collect()
}

fn is_key_taken(
    transaction: &Transaction<'_>,
    idempotency: Option<&Idempotency>,
    now: Timestamp,
) -> Result<bool> {
    let Some(Idempotency { key, body, expires_at }) = idempotency else { return Ok(false) };
    let args = args![key.as_bytes().as_slice(), body.as_slice(), expires_at.as_micros(), now.as_micros()];
    let mut rows = transaction.desk.fetch(&TAKE_KEY, args)?;
    let stands_for = rows.first_mut().map(Row::bytes).transpose()?;
    Ok(stands_for.as_deref() != Some(body.as_slice()))
}

fn bind_event(placed: &Placed<'_>, row: &mut Binder<'_, '_>) {
    let event = &placed.new.event;
    row.bind(placed.position.0)
        .id(event.id)
        .bind(event.event_type.as_str())
        .bind(event.user_id.as_ref().map(|user| user.as_str()))
        .bind(&*event.source)
        .bind(event.provider.as_deref())
        .bind(event.occurred_at.as_micros())
        .bind(event.received_at.as_micros())
        .bind(placed.new.dedupe_key.as_ref().map(|key| DedupeKey::as_bytes(key).as_slice()))
        .bind(event.data.as_str())
        .bind(event.raw.as_deref());
}

fn bind_delivery(&(delivery, place): &(&Delivery, Position), row: &mut Binder<'_, '_>) {
    let StateColumns { status, next_attempt_at, claimed_by, claim_deadline } = state_columns(&delivery.state);
    row.id(delivery.id)
        .id(delivery.event_id)
        .bind(delivery.event_type.as_str())
        .bind(delivery.user_id.as_ref().map(|user| user.as_str()))
        .bind(delivery.owner_id.as_ref().map(|owner| owner.as_str()))
        .id(delivery.subscription_id)
        .bind(status)
        .bind(next_attempt_at)
        .bind(claimed_by)
        .bind(claim_deadline)
        .bind(i64::from(delivery.max_attempts))
        .bind(delivery.trigger.as_str())
        .bind(delivery.created_at.as_micros())
        .bind(ordering_key_bytes(delivery))
        .bind(delivery.ordering_key.map(|_| place.0));
}

pub(super) fn owe(
    desk: &mut Desk,
    deliveries: &[Delivery],
    only: Only,
    routes: RoutesVersion,
    job: Option<&StoredJob>,
) -> Result<Owed> {
    let mut end = match desk.log.take() {
        Some(end) => end,
        None => read_log_end(desk, GENERATION)?,
    };
    if end.routes != routes {
        desk.log = Some(end);
        return Ok(Owed::StaleRoutes);
    }
    let transaction = desk.begin()?;
    if let Some(job) = job
        && !write_job(&transaction, job)?
    {
        drop(transaction);
        desk.log = Some(end);
        return Ok(Owed::Overtaken);
    }
    let triple =
        |d: &Delivery| format!("[\"{}\",\"{}\",\"{}\"]", hex(d.id), hex(d.event_id), hex(d.subscription_id));
    let triples = format!("[{}]", deliveries.iter().map(triple).collect::<Vec<_>>().join(","));
    let owable = transaction.desk.fetch(&OWABLE, [triples.into(), only.as_str().into()])?;
    let owable = owable.into_iter().map(|mut row| row.id()).collect::<Result<HashSet<DeliveryId>>>()?;
    let owed: Vec<&Delivery> = deliveries.iter().filter(|delivery| owable.contains(&delivery.id)).collect();
    let placed: Vec<_> =
        (end.position.0 + 1..).map(Position).zip(&owed).map(|(place, &delivery)| (delivery, place)).collect();
    if owed.iter().any(|delivery| delivery.ordering_key.is_some()) {
        // No event will have these positions: they are places behind all that are there, and before all that will come.
        end.position.0 += owed.len() as i64;
        transaction.desk.run(&MOVE_HEAD, args![end.position.0])?;
    }
    INSERT_DELIVERIES.run(&transaction, &placed, bind_delivery)?;
    transaction.commit()?;
    desk.log = Some(end);
    Ok(Owed::Done(owed.into_iter().map(|delivery| delivery.id).collect()))
}

pub(super) fn step_job(desk: &mut Desk, job: &StoredJob, changes: &[Change]) -> Result<Stepped> {
    let transaction = desk.begin()?;
    if !write_job(&transaction, job)? {
        return Ok(Stepped::Overtaken);
    }
    if CHANGE_DELIVERIES.run(&transaction, changes, bind_change)? < changes.len() as u64 {
        return Ok(Stepped::Conflict);
    }
    keep_record(&transaction, changes.iter())?;
    transaction.commit()?;
    Ok(Stepped::Done)
}

/// Whether nobody else has written it since.
fn write_job(transaction: &Transaction<'_>, job: &StoredJob) -> Result<bool> {
    Ok(transaction.desk.run(&CHANGE_JOB, tables::jobs::update_args(job)?)? > 0)
}

pub(super) fn claim(desk: &mut Desk, lanes: &[Lane], claim: &Claim, now: Timestamp) -> Result<Vec<Claimed>> {
    let transaction = desk.begin()?;
    let mut ids = Vec::new();
    for lane in lanes {
        let args = args![Value::id(lane.subscription_id), now.as_micros(), i64::from(lane.room)];
        for mut row in transaction.desk.fetch(&DUE, args)? {
            ids.push(row.id::<DeliveryId>()?);
        }
    }
    let ids = json_array(ids);
    let args = args![claim.holder.to_text(), claim.deadline.as_micros(), ids.clone()];
    transaction.desk.run(&CLAIM, args)?;
    let rows = transaction.desk.fetch(&CLAIMED, [ids])?;
    transaction.commit()?;
    rows.into_iter().map(|mut row| row.claimed()).collect()
}

pub(super) fn claim_batch(
    desk: &mut Desk,
    of: SubscriptionId,
    terms: Batch,
    claim: &Claim,
    now: Timestamp,
) -> Result<Vec<Claimed>> {
    let transaction = desk.begin()?;
    let due = transaction.desk.fetch(&DUE_BATCH, args![Value::id(of), now.as_micros()])?;
    let mut ids = due.into_iter().map(|mut row| row.id()).collect::<Result<Vec<DeliveryId>>>()?;
    if ids.is_empty() {
        ids = gather(&transaction, of, terms, now)?;
    }
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let ids = json_array(ids);
    let args = args![claim.holder.to_text(), claim.deadline.as_micros(), ids.clone()];
    transaction.desk.run(&CLAIM_BATCH, args)?;
    let rows = transaction.desk.fetch(&CLAIMED_BATCH, [ids])?;
    transaction.commit()?;
    rows.into_iter().map(|mut row| row.claimed()).collect()
}

/// What makes a new batch; nothing while it is neither full nor due.
fn gather(
    transaction: &Transaction<'_>,
    of: SubscriptionId,
    terms: Batch,
    now: Timestamp,
) -> Result<Vec<DeliveryId>> {
    let args = args![Value::id(of), now.as_micros(), i64::from(terms.max_events)];
    let (mut ids, mut bytes, mut is_due, mut is_full) = (Vec::new(), 0, false, false);
    for mut row in transaction.desk.fetch(&GATHER, args)? {
        let (id, due_at, data) = (row.id()?, row.time()?, row.int()?);
        bytes += data;
        if !ids.is_empty() && bytes > BATCH_BYTES_MAX as i64 {
            is_full = true;
            break;
        }
        is_due |= due_at <= now;
        ids.push(id);
    }
    is_full |= ids.len() == usize::from(terms.max_events);
    Ok(if is_due || is_full { ids } else { Vec::new() })
}

pub(super) fn change(desk: &mut Desk, changes: &[Change]) -> Result<Vec<bool>> {
    let transaction = desk.begin()?;
    let written = CHANGE_DELIVERIES.run(&transaction, changes, bind_change)?;
    if written == changes.len() as u64 {
        keep_record(&transaction, changes.iter())?;
        transaction.commit()?;
        return Ok(vec![true; changes.len()]);
    }
    // Some came too late. Which of them only one at a time can tell.
    drop(transaction);
    let transaction = desk.begin()?;
    let change =
        |change| Ok(CHANGE_DELIVERIES.run(&transaction, std::slice::from_ref(change), bind_change)? > 0);
    let written = changes.iter().map(change).collect::<Result<Vec<_>>>()?;
    let made = changes.iter().zip(&written).filter(|&(_, &made)| made).map(|(change, _)| change);
    keep_record(&transaction, made)?;
    transaction.commit()?;
    Ok(written)
}

/// Writes down the attempts behind changes, and what they add to the statistics.
fn keep_record<'c>(
    transaction: &Transaction<'_>,
    made: impl Iterator<Item = &'c Change> + Clone,
) -> Result<()> {
    let attempts: Vec<_> = made.clone().filter_map(|change| change.attempt.as_ref()).collect();
    INSERT_ATTEMPTS.run(transaction, &attempts, |attempt, row| bind_attempt(attempt, row))?;
    COUNT_ENDS.run(transaction, &count_ends(made.clone()), bind_ends)?;
    COUNT_HOURS.run(transaction, &count_hours(made), bind_hour)?;
    Ok(())
}

fn bind_change(change: &Change, row: &mut Binder<'_, '_>) {
    let to = &change.to;
    let StateColumns { status, next_attempt_at, claimed_by, claim_deadline } = state_columns(&to.state);
    row.id(to.id)
        .bind(change.from.status.as_str())
        .bind(change.from.holder.as_deref())
        .bind(status)
        .bind(next_attempt_at)
        .bind(claimed_by)
        .bind(claim_deadline)
        .bind(i64::from(to.attempt_count))
        .bind(i64::from(to.max_attempts))
        .bind(i64::from(to.lapses))
        .bind(to.trigger.as_str())
        .bind(to.completed_at.map(Timestamp::as_micros))
        .bind(to.response_status.map(i64::from))
        .bind(to.error.as_deref())
        .bind(ordering_key_bytes(to))
        .bind(change.from.deadline.map(Timestamp::as_micros));
}

fn bind_attempt(attempt: &Attempt, row: &mut Binder<'_, '_>) {
    row.id(attempt.delivery_id)
        .bind(i64::from(attempt.number))
        .bind(attempt.at.as_micros())
        .bind(attempt.trigger.as_str())
        .bind(attempt.duration.as_micros() as i64)
        .bind(attempt.response_status.map(i64::from))
        .bind(attempt.response_headers.as_deref())
        .bind(attempt.response_body.as_deref())
        .bind(attempt.error.as_deref())
        .bind(attempt.error_code.map(|code| code.as_str()));
}

fn bind_ends(ends: &Ends, row: &mut Binder<'_, '_>) {
    row.id(ends.subscription_id)
        .bind(ends.successful)
        .bind(ends.failed)
        .bind(ends.cancelled)
        .bind(ends.last_delivery_at.map(Timestamp::as_micros))
        .bind(ends.last_success_at.map(Timestamp::as_micros))
        .bind(ends.last_failure_at.map(Timestamp::as_micros))
        .bind(ends.failing_since().map(Timestamp::as_micros));
}

fn bind_hour((subscription_id, hour): &(SubscriptionId, Hour), row: &mut Binder<'_, '_>) {
    row.bind(hour.begins_at.as_micros())
        .id(*subscription_id)
        .bind(hour.successful)
        .bind(hour.failed)
        .bind(hour.attempts)
        .bind(hour.errors)
        .bind(hour.answers)
        .bind(hour.answer_micros)
        .bind(hour.answer_micros_max);
}

/// Adds a subscription, with the job that owes it what came in before.
pub(super) fn create_subscription(
    desk: &mut Desk,
    subscription: &StoredSubscription,
    job: Option<&StoredJob>,
) -> Result<()> {
    let end = desk.log.take();
    let transaction = desk.begin()?;
    transaction.desk.run(&CREATE_SUBSCRIPTION, tables::subscriptions::insert_args(subscription)?)?;
    if let Some(job) = job {
        transaction.desk.run(&CREATE_JOB, tables::jobs::insert_args(job)?)?;
    }
    move_routes(&transaction, subscription.subscription.id)?;
    transaction.commit()?;
    desk.log = end.map(LogEnd::with_routes_moved);
    Ok(())
}

/// A change of a subscription moves the version, and is remembered for those who know an older one.
fn move_routes(transaction: &Transaction<'_>, of: SubscriptionId) -> Result<()> {
    transaction.desk.run(&MOVE_ROUTES, [])?;
    transaction.desk.run(&NOTE_ROUTE, [Value::id(of)])?;
    transaction.desk.run(&FORGET_ROUTE, [])?;
    Ok(())
}

pub(super) fn change_subscription(
    desk: &mut Desk,
    stored: &StoredSubscription,
    now: Timestamp,
) -> Result<bool> {
    let end = desk.log.take();
    let transaction = desk.begin()?;
    // Before the change, which says what it was.
    let forgive = args![Value::id(stored.subscription.id), stored.subscription.is_active, stored.revision];
    transaction.desk.run(&FORGIVE, forgive)?;
    let exists = transaction.desk.run(&CHANGE_SUBSCRIPTION, tables::subscriptions::update_args(stored)?)? > 0;
    if exists {
        let id = Value::id(stored.subscription.id);
        match stored.subscription.holds() {
            true => transaction.desk.run(&HOLD, [id.clone()])? + transaction.desk.run(&HOLD_LINES, [id])?,
            false => transaction.desk.run(&RELEASE, args![id, now.as_micros()])?,
        };
        move_routes(&transaction, stored.subscription.id)?;
    }
    transaction.commit()?;
    desk.log = if exists { end.map(LogEnd::with_routes_moved) } else { end };
    Ok(exists)
}

pub(super) fn delete_subscription(desk: &mut Desk, id: SubscriptionId, now: Timestamp) -> Result<bool> {
    let end = desk.log.take();
    let transaction = desk.begin()?;
    let existed = transaction.desk.run(&DELETE_SUBSCRIPTION, [Value::id(id)])? > 0;
    if existed {
        let cancelled = transaction.desk.run(&CANCEL, args![Value::id(id), now.as_micros()])?;
        COUNT_ENDS.run(&transaction, &[Ends::cancelled(id, cancelled as i64)], bind_ends)?;
        move_routes(&transaction, id)?;
    }
    transaction.commit()?;
    desk.log = if existed { end.map(LogEnd::with_routes_moved) } else { end };
    Ok(existed)
}

pub(super) fn delete_source(desk: &mut Desk, id: SourceId) -> Result<bool> {
    let transaction = desk.begin()?;
    transaction.desk.run(&COUNT_REMOVED_SOURCE, args![Value::id(id)])?;
    let existed = transaction.desk.run(&DELETE_SOURCE, args![Value::id(id)])? > 0;
    transaction.commit()?;
    Ok(existed)
}

pub(super) fn claim_tasks(desk: &Desk, args: Vec<Value>) -> Result<Vec<Task>> {
    desk.fetch(&CLAIM_TASKS, args)?.into_iter().map(|mut row| row.task()).collect()
}

/// Runs the statements in one transaction, unless one of the first `fences` has nothing to write.
pub(super) fn together(
    desk: &mut Desk,
    fences: usize,
    statements: Vec<(Statement, Vec<Value>)>,
) -> Result<bool> {
    let transaction = desk.begin()?;
    for (index, (statement, args)) in statements.into_iter().enumerate() {
        let written = transaction.desk.run(&statement, args)?;
        if index < fences && written == 0 {
            return Ok(false);
        }
    }
    transaction.commit()?;
    Ok(true)
}

fn hex(bytes: impl Into<[u8; 16]>) -> String {
    bytes.into().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A list of ids or digests; statements take them out of it by `unhex(value)`.
pub(super) fn json_array(members: impl IntoIterator<Item = impl Into<[u8; 16]>>) -> Value {
    let quoted: Vec<String> = members.into_iter().map(|member| format!("\"{}\"", hex(member))).collect();
    Value::from(format!("[{}]", quoted.join(",")))
}
