//! Filters: which events a subscription wants, by what they hold.
//!
//! ```json
//! {"type": "github.issues.opened", "data.issue": {"comments": {"$gte": 3}, "labels": {"$contains": {"name": "bug"}}}}
//! ```
//!
//! A filter is an object, and all of its entries must hold. An entry is a path with a condition on what lies there,
//! or one of `$and`, `$or`, `$not`. A condition is an object of operators and of further paths, or a plain value,
//! which means `$eq`.
//!
//! | operator | holds for a value that |
//! |---|---|
//! | `$eq`, `$ne` | equals the operand, wholly; does not |
//! | `$gt`, `$gte`, `$lt`, `$lte` | is a number above, … the operand; or a text after, … it, letter by letter |
//! | `$in`, `$nin` | equals one of the operand's items; none |
//! | `$startsWith`, `$endsWith` | is a text that begins or ends so |
//! | `$contains` | is a text with the operand in it, or an array with an item that is, or meets, the operand |
//! | `$regex` | is a text in which the regex is found |
//! | `$exists` | is there (`true`; `null` is there too) or is not (`false`) |
//! | `$and`, `$or`, `$not` | meets all, one, not the operand's conditions |
//!
//! Types compare strictly: `5` is not `"5"`, and an array does not equal its only item. Numbers are one type, so `1`
//! is `1.0`. Where nothing lies no condition holds but `{"$exists": false}`, and what says that something is not:
//! `$ne`, `$nin`, `$not`.

use std::cell::Cell;
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use regex::Regex;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Number, Value};

use crate::limits::FILTER_STEPS_MAX;
use crate::path::{Path, whole};

mod parse;

pub use parse::{Fault, NotAFilter};

/// Which events are wanted, by what they hold. A clone shares everything.
#[derive(Clone)]
pub struct Filter(Arc<Parsed>);

struct Parsed {
    source: Value,
    condition: Condition,
}

/// Something that is true or false of a value, or of there being none.
#[derive(Debug)]
enum Condition {
    All(Vec<Self>),
    Any(Vec<Self>),
    Not(Box<Self>),
    At(Path, Box<Self>),
    Exists(bool),
    Equal(Value),
    OneOf(Vec<Value>),
    Compared(Comparison, Value),
    StartsWith(String),
    EndsWith(String),
    /// A text with `text` in it, or an array with an item of which `item` is true.
    Contains {
        text: Option<String>,
        item: Box<Self>,
    },
    Matches {
        regex: Regex,
        /// How long the regex is when its counted repetitions are written out: what a byte of text costs grows with
        /// it.
        length: usize,
    },
}

#[derive(Debug, Clone, Copy)]
enum Comparison {
    Above,
    AtLeast,
    Below,
    AtMost,
}

impl Filter {
    /// Reads a filter.
    ///
    /// # Errors
    /// The first thing that is wrong with it, where that is, and what to write instead.
    pub fn parse(source: &Value) -> Result<Self, NotAFilter> {
        let condition = parse::filter(source)?;
        Ok(Self(Arc::new(Parsed { source: source.clone(), condition })))
    }

    /// The filter as it was written.
    #[must_use]
    pub fn source(&self) -> &Value {
        &self.0.source
    }

    /// Whether an event with this document ([`Event::document`](crate::Event::document)) is found to be wanted, within
    /// [`FILTER_STEPS_MAX`].
    #[must_use]
    pub fn matches(&self, document: &Value) -> bool {
        let mut steps = FILTER_STEPS_MAX;
        self.decide(document, &mut steps) == Some(true)
    }

    /// Whether an event with this document is wanted. `None` where it takes more than `steps` to tell; what is left of
    /// them stays there.
    pub fn decide(&self, document: &Value, steps: &mut usize) -> Option<bool> {
        let left = Steps(Cell::new(Some(*steps)));
        let holds = self.0.condition.holds(Some(document), &left);
        *steps = left.0.get().unwrap_or(0);
        // What was concluded without enough steps may be wrong, below a `$not` even the wrong way round.
        left.were_enough().then_some(holds)
    }
}

impl Condition {
    fn holds(&self, value: Option<&Value>, steps: &Steps) -> bool {
        match self {
            _ if !steps.take(1) => false,
            Self::All(conditions) => conditions.iter().all(|condition| condition.holds(value, steps)),
            Self::Any(conditions) => conditions.iter().any(|condition| condition.holds(value, steps)),
            Self::Not(condition) => !condition.holds(value, steps),
            Self::At(path, condition) => condition.holds(value.and_then(|value| path.get(value)), steps),
            Self::Exists(wanted) => value.is_some() == *wanted,
            _ => value.is_some_and(|value| self.holds_for(value, steps)),
        }
    }

    /// The conditions that are true only of a value that is there.
    fn holds_for(&self, value: &Value, steps: &Steps) -> bool {
        match (self, value) {
            (Self::Equal(wanted), _) => equal(value, wanted),
            (Self::OneOf(wanted), _) => {
                steps.take(wanted.len()) && wanted.iter().any(|wanted| equal(value, wanted))
            }
            (Self::Compared(comparison, bound), _) => {
                compare(value, bound).is_some_and(|order| comparison.admits(order))
            }
            (Self::StartsWith(start), Value::String(text)) => text.starts_with(start),
            (Self::EndsWith(end), Value::String(text)) => text.ends_with(end),
            (Self::Contains { text: Some(wanted), .. }, Value::String(text)) => {
                steps.take(text.len() / SEARCHED_BYTES_PER_STEP) && text.contains(wanted)
            }
            (Self::Contains { item, .. }, Value::Array(items)) => {
                items.iter().any(|value| item.holds(Some(value), steps))
            }
            (Self::Matches { regex, length }, Value::String(text)) => {
                steps.take(text.len().saturating_mul(*length) / REGEX_WORK_PER_STEP) && regex.is_match(text)
            }
            _ => false,
        }
    }
}

impl Comparison {
    const fn admits(self, order: Ordering) -> bool {
        match self {
            Self::Above => order.is_gt(),
            Self::AtLeast => order.is_ge(),
            Self::Below => order.is_lt(),
            Self::AtMost => order.is_le(),
        }
    }
}

/// Looking for a text in a text passes this many bytes in the time of a comparison.
const SEARCHED_BYTES_PER_STEP: usize = 64;

/// A regex that keeps its engine from every shortcut takes the time of a comparison for one byte of text if it is
/// this long.
const REGEX_WORK_PER_STEP: usize = 8;

/// What is left of the work that may be done; `None` once it was not enough.
struct Steps(Cell<Option<usize>>);

impl Steps {
    /// Takes `count` steps, if there are as many. If not, none are left for anybody.
    fn take(&self, count: usize) -> bool {
        self.0.set(self.0.get().and_then(|left| left.checked_sub(count)));
        self.were_enough()
    }

    const fn were_enough(&self) -> bool {
        self.0.get().is_some()
    }
}

/// Whether two values are the same, down to the last; numbers by what they mean.
fn equal(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => compare_numbers(one, other) == Some(Ordering::Equal),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| equal(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            let same = |(name, one)| other.get(name).is_some_and(|other| equal(one, other));
            one.len() == other.len() && one.iter().all(same)
        }
        _ => one == other,
    }
}

/// How two numbers or two texts are ordered. Others are not.
fn compare(one: &Value, other: &Value) -> Option<Ordering> {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => compare_numbers(one, other),
        (Value::String(one), Value::String(other)) => Some(one.cmp(other)),
        _ => None,
    }
}

/// Exact, also where a double cannot tell two integers apart: with a number that is not whole it is within 2^53, or
/// beyond all integers that JSON holds here, and there doubles order rightly.
fn compare_numbers(one: &Number, other: &Number) -> Option<Ordering> {
    match (whole(one), whole(other)) {
        (Some(one), Some(other)) => Some(one.cmp(&other)),
        _ => one.as_f64()?.partial_cmp(&other.as_f64()?),
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Filter({})", self.0.source)
    }
}

/// Filters are equal that are written alike.
impl PartialEq for Filter {
    fn eq(&self, other: &Self) -> bool {
        self.0.source == other.0.source
    }
}

impl Eq for Filter {}

impl Serialize for Filter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.source.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Filter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&Value::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests;
