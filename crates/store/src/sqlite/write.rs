//! What SQLite does in its own words: every write that is more than one statement of one row.

use std::collections::{HashMap, HashSet};

use const_format::str_replace;
use domain::delivery::{Claim, Delivery};
use domain::event::DedupeKey;
use domain::{EventId, SubscriptionId, Timestamp};

use super::multirow::MultiRow;
use super::{Head, Sqlite, Transaction};
use crate::ends::{Ends, count_ends};
use crate::rows::{StateColumns, state_columns};
use crate::sql::{Row, Statement, Value, args};
use crate::*;

macro_rules! statements {
    ($($name:ident = $label:literal $text:expr;)*) => {
        $(const $name: Statement = Statement::new($label, $text);)*
        #[cfg(test)]
        pub(super) const STATEMENTS: &[&Statement] = &[$(&$name),*];
    };
}

statements! {
    TAKE_KEY = "take_key" include_str!("../../sql/sqlite/take_key.sql");
    REPEATED = "repeated"
        "SELECT dedupe_key, id, position FROM events
         WHERE dedupe_key IN (SELECT unhex(value) FROM json_each($1))";
    DUE = "due" include_str!("../../sql/sqlite/due.sql");
    CLAIM = "claim" include_str!("../../sql/sqlite/claim.sql");
    CLAIMED = "claimed" str_replace!(
        str_replace!(include_str!("../../sql/sqlite/claimed.sql"), "{deliveries}", rows::DELIVERY_OF_TABLE),
        "{events}",
        rows::EVENT_OF_TABLE
    );
    CREATE_SUBSCRIPTION = "create_subscription" tables::subscriptions::INSERT;
    CHANGE_SUBSCRIPTION = "change_subscription" tables::subscriptions::UPDATE;
    DELETE_SUBSCRIPTION = "delete_subscription" "DELETE FROM subscriptions WHERE id = $1";
    MOVE_ROUTES = "move_routes" "UPDATE log SET routes_version = routes_version + 1";
    HOLD = "hold"
        "UPDATE deliveries SET status = 'held', next_attempt_at = NULL
         WHERE subscription_id = $1 AND status IN ('pending', 'retrying')";
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
    include_str!("../../sql/sqlite/insert_events.sql"),
    "(?,?,?,?,?,?,?,?,?,?,?)",
);
static INSERT_DELIVERIES: MultiRow = MultiRow::new(
    "insert_deliveries",
    include_str!("../../sql/sqlite/insert_deliveries.sql"),
    "(?,?,?,?,?,?,?,?,?,?,0,?,0,?,?,NULL,NULL,NULL)",
);
static CHANGE_DELIVERIES: MultiRow = MultiRow::new(
    "change_deliveries",
    include_str!("../../sql/sqlite/change_deliveries.sql"),
    "(?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
);
static INSERT_ATTEMPTS: MultiRow = MultiRow::new(
    "insert_attempts",
    include_str!("../../sql/sqlite/insert_attempts.sql"),
    "(?,?,?,?,?,?,?,?,?,?)",
);
static COUNT_ENDS: MultiRow =
    MultiRow::new("count_ends", include_str!("../../sql/sqlite/count_ends.sql"), "(?,?,?,?,?,?,?)");

#[cfg(test)]
pub(super) static MULTI_ROW: [&MultiRow; 5] =
    [&INSERT_EVENTS, &INSERT_DELIVERIES, &CHANGE_DELIVERIES, &INSERT_ATTEMPTS, &COUNT_ENDS];

/// Events with the places they will have if they are new.
struct Placed<'a> {
    position: Position,
    new: &'a NewEvent,
}

pub(super) async fn append(
    sqlite: &Sqlite,
    appends: &[Append],
    routes: RoutesVersion,
    now: Timestamp,
) -> Result<Appended> {
    let mut transaction = sqlite.begin().await;
    let head = transaction.head().await?;
    if head.routes != routes {
        return Ok(Appended::StaleRoutes);
    }
    let mut position = head.position.0;
    let mut taken = Vec::with_capacity(appends.len());
    let mut placed = Vec::with_capacity(appends.iter().map(|append| append.events.len()).sum());
    for append in appends {
        let is_taken = is_key_taken(&mut transaction, append.idempotency.as_ref(), now).await?;
        taken.push(is_taken);
        for new in append.events.iter().filter(|_| !is_taken) {
            position += 1;
            placed.push(Placed { position: Position(position), new });
        }
    }
    let written = transaction.run(INSERT_EVENTS.pieces(&placed, bind_event).collect()).await?.written;
    let kept = if written.iter().sum::<u64>() == placed.len() as u64 {
        placed.iter().map(|p| KeptEvent { id: p.new.event.id, position: p.position, is_new: true }).collect()
    } else {
        tell_repeats(&mut transaction, &placed).await?
    };
    let owed = owed(&placed, &kept);
    let last = INSERT_DELIVERIES.pieces(&owed, |delivery, args| bind_delivery(delivery, args)).collect();
    transaction.commit(last, Some(Head { position: Position(position), ..head })).await?;
    Ok(Appended::Durable(answer(appends, &taken, kept)))
}

/// What the new ones among `placed` owe.
fn owed<'a>(placed: &[Placed<'a>], kept: &[KeptEvent]) -> Vec<&'a Delivery> {
    let new = placed.iter().zip(kept).filter(|(_, kept)| kept.is_new);
    new.flat_map(|(placed, _)| &placed.new.deliveries).collect()
}

/// Deals out what was kept to the appends it came from.
fn answer(appends: &[Append], taken: &[bool], kept: Vec<KeptEvent>) -> Vec<Kept> {
    let mut kept = kept.into_iter();
    let answer = |(append, &is_taken): (&Append, &bool)| match is_taken {
        true => Kept::KeyTaken,
        false => Kept::Events(kept.by_ref().take(append.events.len()).collect()),
    };
    appends.iter().zip(taken).map(answer).collect()
}

async fn is_key_taken(
    transaction: &mut Transaction<'_>,
    idempotency: Option<&Idempotency>,
    now: Timestamp,
) -> Result<bool> {
    let Some(Idempotency { key, body, expires_at }) = idempotency else { return Ok(false) };
    let args = args![key.as_bytes().as_slice(), body.as_slice(), expires_at.as_micros(), now.as_micros()];
    let mut rows = transaction.read(&TAKE_KEY, args).await?;
    let stands_for = rows.first_mut().map(Row::bytes).transpose()?;
    Ok(stands_for.as_deref() != Some(body.as_slice()))
}

/// Finds which events were there before, and as what.
async fn tell_repeats(transaction: &mut Transaction<'_>, placed: &[Placed<'_>]) -> Result<Vec<KeptEvent>> {
    let keys: Vec<String> =
        placed.iter().filter_map(|p| p.new.dedupe_key).map(|key| hex(key.as_bytes())).collect();
    let rows = transaction.read(&REPEATED, vec![json_array(&keys)]).await?;
    let mut first: HashMap<Vec<u8>, (EventId, Position)> = HashMap::with_capacity(rows.len());
    for mut row in rows {
        first.insert(row.bytes()?, (row.parsed()?, Position(row.int()?)));
    }
    let kept = |placed: &Placed<'_>| {
        let known = placed.new.dedupe_key.and_then(|key| first.get(key.as_bytes().as_slice()));
        let own = (placed.new.event.id, placed.position);
        let &(id, position) = known.unwrap_or(&own);
        KeptEvent { id, position, is_new: id == own.0 }
    };
    Ok(placed.iter().map(kept).collect())
}

fn bind_event(placed: &Placed<'_>, args: &mut Vec<Value>) {
    let event = &placed.new.event;
    args.extend(args![
        placed.position.0,
        event.id.to_string(),
        event.event_type.as_str(),
        event.user_id.as_ref().map(|user| user.as_str()),
        event.source.as_str(),
        event.provider.as_deref(),
        event.occurred_at.as_micros(),
        event.received_at.as_micros(),
        placed.new.dedupe_key.as_ref().map(|key| DedupeKey::as_bytes(key).as_slice()),
        event.data.shared(),
        event.raw.as_deref(),
    ]);
}

fn bind_delivery(delivery: &Delivery, args: &mut Vec<Value>) {
    let StateColumns { status, next_attempt_at, claimed_by, claim_deadline } = state_columns(&delivery.state);
    args.extend(args![
        delivery.id.to_string(),
        delivery.event_id.to_string(),
        delivery.event_type.as_str(),
        delivery.user_id.as_ref().map(|user| user.as_str()),
        delivery.owner_id.as_ref().map(|owner| owner.as_str()),
        delivery.subscription_id.to_string(),
        status,
        next_attempt_at,
        claimed_by,
        claim_deadline,
        i64::from(delivery.max_attempts),
        delivery.trigger.as_str(),
        delivery.created_at.as_micros(),
    ]);
}

pub(super) async fn claim(
    sqlite: &Sqlite,
    lanes: &[Lane],
    claim: &Claim,
    now: Timestamp,
) -> Result<Vec<Claimed>> {
    let mut transaction = sqlite.begin().await;
    let head = transaction.writer.head;
    let mut ids = Vec::new();
    for lane in lanes {
        let args = args![lane.subscription_id.to_string(), now.as_micros(), i64::from(lane.room)];
        for mut row in transaction.read(&DUE, args).await? {
            ids.push(row.text()?);
        }
    }
    let ids = json_array(&ids);
    let args = args![claim.holder.to_text(), claim.deadline.as_micros(), ids.clone()];
    transaction.write(&CLAIM, args).await?;
    let rows = transaction.read(&CLAIMED, vec![ids]).await?;
    transaction.commit(vec![], head).await?;
    rows.into_iter().map(|mut row| row.claimed()).collect()
}

pub(super) async fn change(sqlite: &Sqlite, changes: &[Change]) -> Result<Vec<bool>> {
    let mut transaction = sqlite.begin().await;
    let head = transaction.writer.head;
    let mut written = HashSet::with_capacity(changes.len());
    for mut row in transaction.run(CHANGE_DELIVERIES.pieces(changes, bind_change).collect()).await?.rows {
        written.insert(row.text()?);
    }
    let answers: Vec<bool> =
        changes.iter().map(|change| written.contains(change.to.id.to_string().as_str())).collect();
    let made = changes.iter().zip(&answers).filter(|&(_, &made)| made).map(|(change, _)| change);
    let attempts: Vec<_> = made.clone().filter_map(|change| change.attempt.as_ref()).collect();
    let ends = count_ends(made);
    let last = INSERT_ATTEMPTS.pieces(&attempts, |attempt, args| bind_attempt(attempt, args));
    transaction.commit(last.chain(COUNT_ENDS.pieces(&ends, bind_ends)).collect(), head).await?;
    Ok(answers)
}

fn bind_change(change: &Change, args: &mut Vec<Value>) {
    let to = &change.to;
    let StateColumns { status, next_attempt_at, claimed_by, claim_deadline } = state_columns(&to.state);
    args.extend(args![
        to.id.to_string(),
        change.from.status.as_str(),
        change.from.holder.as_deref(),
        status,
        next_attempt_at,
        claimed_by,
        claim_deadline,
        i64::from(to.attempt_count),
        i64::from(to.max_attempts),
        i64::from(to.lapses),
        to.trigger.as_str(),
        to.completed_at.map(Timestamp::as_micros),
        to.response_status.map(i64::from),
        to.error.as_deref(),
    ]);
}

fn bind_attempt(attempt: &domain::attempt::Attempt, args: &mut Vec<Value>) {
    args.extend(args![
        attempt.delivery_id.to_string(),
        i64::from(attempt.number),
        attempt.at.as_micros(),
        attempt.trigger.as_str(),
        attempt.duration.as_micros() as i64,
        attempt.response_status.map(i64::from),
        attempt.response_headers.as_deref(),
        attempt.response_body.as_deref(),
        attempt.error.as_deref(),
        attempt.error_code.map(|code| code.as_str()),
    ]);
}

fn bind_ends(ends: &Ends, args: &mut Vec<Value>) {
    args.extend(args![
        ends.subscription_id.to_string(),
        ends.successful,
        ends.failed,
        ends.cancelled,
        ends.last_delivery_at.map(Timestamp::as_micros),
        ends.last_success_at.map(Timestamp::as_micros),
        ends.last_failure_at.map(Timestamp::as_micros),
    ]);
}

pub(super) async fn create_subscription(sqlite: &Sqlite, subscription: &StoredSubscription) -> Result<()> {
    let insert = (CREATE_SUBSCRIPTION, tables::subscriptions::insert_args(subscription)?);
    sqlite.begin().await.commit(vec![insert, (MOVE_ROUTES, vec![])], None).await
}

pub(super) async fn change_subscription(
    sqlite: &Sqlite,
    stored: &StoredSubscription,
    now: Timestamp,
) -> Result<bool> {
    let mut transaction = sqlite.begin().await;
    let args = tables::subscriptions::update_args(stored)?;
    let exists = transaction.write(&CHANGE_SUBSCRIPTION, args).await? > 0;
    let mut last = Vec::new();
    if exists {
        let id = stored.subscription.id.to_string();
        last.push(match stored.subscription.holds() {
            true => (HOLD, args![id]),
            false => (RELEASE, args![id, now.as_micros()]),
        });
        last.push((MOVE_ROUTES, vec![]));
    }
    transaction.commit(last, None).await?;
    Ok(exists)
}

pub(super) async fn delete_subscription(sqlite: &Sqlite, id: SubscriptionId, now: Timestamp) -> Result<bool> {
    let mut transaction = sqlite.begin().await;
    let existed = transaction.write(&DELETE_SUBSCRIPTION, args![id.to_string()]).await? > 0;
    let mut last = Vec::new();
    if existed {
        let cancelled = transaction.write(&CANCEL, args![id.to_string(), now.as_micros()]).await?;
        last.extend(COUNT_ENDS.pieces(&[Ends::cancelled(id, cancelled as i64)], bind_ends));
        last.push((MOVE_ROUTES, vec![]));
    }
    transaction.commit(last, None).await?;
    Ok(existed)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Ids and digests need no escaping.
fn json_array(texts: &[impl AsRef<str>]) -> Value {
    let quoted: Vec<String> = texts.iter().map(|text| format!("\"{}\"", text.as_ref())).collect();
    Value::from(format!("[{}]", quoted.join(",")))
}
