//! What the two SQL engines have in common: statements with a name, values, rows, and a filter that is put together.
//!
//! The statements that matter for speed use the engines' own types; all others pass through here and are written once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use domain::UserId;
use sqlx::{AssertSqlSafe, SqlSafeStr as _, SqlStr};

use crate::{Result, StoreError};

/// Runs statements that read the same on both engines.
#[async_trait]
pub(crate) trait Sql: Send + Sync {
    /// What the events of a user are read from: `mine` has their `user_id`, `id` and `position`, beside all other columns.
    const USER_EVENTS: &'static str;

    /// Sees to it that [`Sql::USER_EVENTS`] has all events of `user` that are durable by now.
    async fn index_events_of(&self, _user: &UserId) -> Result<()> {
        Ok(())
    }

    /// Rows of a statement that only reads.
    async fn read(&self, statement: &Statement, args: Vec<Value>) -> Result<Vec<Row>>;

    /// How many rows a statement has written.
    async fn write(&self, statement: &Statement, args: Vec<Value>) -> Result<u64>;

    /// Runs several statements as one transaction; whether they were. Where the first writes nothing, none of the
    /// others is run.
    async fn write_together(&self, statements: Vec<(Statement, Vec<Value>)>) -> Result<bool> {
        self.write_fenced(1, statements).await
    }

    /// The same where each of the first `fences` statements must write something, or none is run.
    async fn write_fenced(&self, fences: usize, statements: Vec<(Statement, Vec<Value>)>) -> Result<bool>;

    /// The one row of a statement that only reads, if there is one.
    async fn read_one(&self, statement: &Statement, args: Vec<Value>) -> Result<Option<Row>> {
        Ok(self.read(statement, args).await?.into_iter().next())
    }
}

/// A statement with the name under which its runs are counted.
#[derive(Debug, Clone)]
pub(crate) struct Statement {
    pub(crate) name: &'static str,
    text: Text,
}

#[derive(Debug, Clone)]
enum Text {
    Fixed(&'static str),
    Made(Arc<str>),
}

impl Statement {
    pub(crate) const fn new(name: &'static str, text: &'static str) -> Self {
        Self { name, text: Text::Fixed(text) }
    }

    /// A statement put together from fixed pieces.
    pub(crate) fn made(name: &'static str, text: impl Into<Arc<str>>) -> Self {
        Self { name, text: Text::Made(text.into()) }
    }

    pub(crate) fn text(&self) -> &str {
        match &self.text {
            Text::Fixed(text) => text,
            Text::Made(text) => text,
        }
    }

    pub(crate) fn sql(&self) -> SqlStr {
        match &self.text {
            Text::Fixed(text) => text.into_sql_str(),
            // Only fixed pieces and numbered placeholders are ever put together; values are always bound.
            Text::Made(text) => AssertSqlSafe(Arc::clone(text)).into_sql_str(),
        }
    }
}

/// A value to bind, or one that was read.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Null,
    Int(i64),
    Text(Arc<str>),
    Bytes(Vec<u8>),
    /// One of our ids, without the prefix that the column knows: bytes to SQLite, a UUID to PostgreSQL.
    Id([u8; 16]),
}

impl Value {
    pub(crate) fn id(id: impl Into<[u8; 16]>) -> Self {
        Self::Id(id.into())
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Int(value.into())
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.into())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value.into())
    }
}

impl From<Arc<str>> for Value {
    fn from(value: Arc<str>) -> Self {
        Self::Text(value)
    }
}

impl From<&[u8]> for Value {
    fn from(value: &[u8]) -> Self {
        Self::Bytes(value.to_vec())
    }
}

impl<V: Into<Self>> From<Option<V>> for Value {
    fn from(value: Option<V>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

macro_rules! args {
    ($($value:expr),* $(,)?) => { vec![$($crate::sql::Value::from($value)),*] };
}
pub(crate) use args;

/// A row, read column by column from the left.
#[derive(Debug)]
pub(crate) struct Row {
    columns: std::vec::IntoIter<Value>,
}

impl Row {
    pub(crate) fn new(columns: Vec<Value>) -> Self {
        Self { columns: columns.into_iter() }
    }

    /// Whether the next column is null; it is not passed over.
    pub(crate) fn is_null(&self) -> bool {
        matches!(self.columns.as_slice().first(), Some(Value::Null))
    }

    pub(crate) fn int(&mut self) -> Result<i64> {
        self.int_or_null()?.ok_or_else(unexpected)
    }

    pub(crate) fn int_or_null(&mut self) -> Result<Option<i64>> {
        match self.columns.next() {
            Some(Value::Int(value)) => Ok(Some(value)),
            Some(Value::Null) => Ok(None),
            _ => Err(unexpected()),
        }
    }

    pub(crate) fn text(&mut self) -> Result<Arc<str>> {
        self.text_or_null()?.ok_or_else(unexpected)
    }

    pub(crate) fn text_or_null(&mut self) -> Result<Option<Arc<str>>> {
        match self.columns.next() {
            Some(Value::Text(value)) => Ok(Some(value)),
            Some(Value::Null) => Ok(None),
            _ => Err(unexpected()),
        }
    }

    pub(crate) fn id<I: From<[u8; 16]>>(&mut self) -> Result<I> {
        let bytes = self.bytes()?.try_into();
        bytes.map(<[u8; 16]>::into).map_err(|_| StoreError::Corrupt("an id has 16 bytes".to_owned()))
    }

    pub(crate) fn bytes(&mut self) -> Result<Vec<u8>> {
        self.bytes_or_null()?.ok_or_else(unexpected)
    }

    pub(crate) fn bytes_or_null(&mut self) -> Result<Option<Vec<u8>>> {
        match self.columns.next() {
            Some(Value::Bytes(value)) => Ok(Some(value)),
            Some(Value::Null) => Ok(None),
            _ => Err(unexpected()),
        }
    }
}

fn unexpected() -> StoreError {
    StoreError::Corrupt("a column is missing or of another type than was written".to_owned())
}

/// A `SELECT` with conditions that are there or not.
///
/// Conditions that are absent are left out rather than made always true: only so can an index serve those that are
/// present.
pub(crate) struct Select {
    text: String,
    args: Vec<Value>,
    has_conditions: bool,
}

impl Select {
    /// Begins with `SELECT … FROM …`.
    pub(crate) fn new(text: &str) -> Self {
        Self { text: text.to_owned(), args: Vec::new(), has_conditions: false }
    }

    /// Adds `condition`, such as `status =`, for a value that is there.
    pub(crate) fn and(mut self, condition: &str, value: Option<impl Into<Value>>) -> Self {
        if let Some(value) = value {
            self.args.push(value.into());
            let place = self.args.len();
            self.add(&format!("{condition} ${place}"));
        }
        self
    }

    /// Adds `condition`, which holds its value itself: an index that is there for that value alone serves nothing else.
    pub(crate) fn and_fixed(mut self, condition: Option<impl AsRef<str>>) -> Self {
        condition.into_iter().for_each(|condition| self.add(condition.as_ref()));
        self
    }

    fn add(&mut self, condition: &str) {
        let word = if self.has_conditions { "AND" } else { "WHERE" };
        self.has_conditions = true;
        self.text += &format!("\n{word} {condition}");
    }

    /// Makes the statement as it is.
    pub(crate) fn unordered(self, name: &'static str) -> (Statement, Vec<Value>) {
        (Statement::made(name, self.text), self.args)
    }

    /// [`Select::newest_first`], the other way round.
    pub(crate) fn oldest_first(mut self, name: &'static str, limit: u32) -> (Statement, Vec<Value>) {
        self.args.push(Value::Int(limit.into()));
        self.text += &format!("\nORDER BY id LIMIT ${}", self.args.len());
        (Statement::made(name, self.text), self.args)
    }

    /// Adds an order and a limit, and makes the statement.
    pub(crate) fn newest_first(mut self, name: &'static str, limit: u32) -> (Statement, Vec<Value>) {
        self.args.push(Value::Int(limit.into()));
        self.text += &format!("\nORDER BY id DESC LIMIT ${}", self.args.len());
        (Statement::made(name, self.text), self.args)
    }
}

/// How often each statement has run.
#[derive(Debug, Default)]
pub(crate) struct Counters(Mutex<BTreeMap<&'static str, u64>>);

impl Counters {
    pub(crate) fn count(&self, name: &'static str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(name).or_default() += 1;
    }

    pub(crate) fn all(&self) -> Vec<(&'static str, u64)> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .map(|(&name, &runs)| (name, runs))
            .collect()
    }
}
