//! How a filter is read from JSON, and what can be wrong with it.

use std::fmt;

use regex::{Regex, RegexBuilder};
use regex_syntax::hir::{Hir, HirKind};
use serde_json::{Map, Value};

use super::{Comparison, Condition};
use crate::limits::{
    FILTER_BYTES_MAX, FILTER_CONDITIONS_MAX, FILTER_DEPTH_MAX, FILTER_REGEXES_MAX, REGEX_BYTES_MAX,
    REGEX_COMPILED_BYTES_MAX,
};
use crate::path::{NotAPath, Path};

/// Reads a whole filter.
pub(super) fn filter(source: &Value) -> Parse<Condition> {
    if source.to_string().len() > FILTER_BYTES_MAX {
        return Err(Fault::TooLong.into());
    }
    match source {
        // To want all that has the right type is no mistake.
        Value::Object(entries) if entries.is_empty() => Ok(Condition::All(Vec::new())),
        _ => Parser::default().condition(source, Subject::Event),
    }
}

/// A JSON value that is no filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotAFilter {
    /// Where in the filter, from the outside inwards.
    trail: Vec<String>,
    /// What is wrong there.
    pub fault: Fault,
}

/// What can be wrong with a part of a filter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The filter as a whole, or what it combines, is no object.
    #[error("write an object of paths and conditions, such as {{\"data.amount\": {{\"$gt\": 100}}}}")]
    NotAnObject,
    /// A key is no path.
    #[error(transparent)]
    Path(NotAPath),
    /// A key begins with `$` and is no operator.
    #[error("no such operator: use one of {}, or write \\$ for a name that begins with $", OPERATORS.join(", "))]
    NoSuchOperator,
    /// An operator stands where no value has been named yet.
    #[error("name what is compared: {{\"data.amount\": {{\"$gt\": 100}}}}")]
    NothingToCompare,
    /// An object without keys, of which nobody can tell what was meant.
    #[error("write {{\"$eq\": {{}}}} for an empty object, or {{\"$exists\": true}} for any value")]
    EmptyCondition,
    /// The operand is not of the kind that the operator takes.
    #[error("give {0}")]
    Operand(&'static str),
    /// The regex is none, or is one that takes look-around or back-references.
    #[error("not a regex that matches in linear time: {0}")]
    Regex(String),
    /// The regex is too long, too large or repeats too much.
    #[error(
        "keep the regex within {REGEX_BYTES_MAX} bytes, counted repetitions written out, and use fewer classes such as \\w"
    )]
    RegexTooLarge,
    /// There are more regexes than a filter may have.
    #[error("use at most {FILTER_REGEXES_MAX} regexes")]
    TooManyRegexes,
    /// There are more conditions than a filter may have.
    #[error("use at most {FILTER_CONDITIONS_MAX} conditions: keys, and items of lists")]
    TooManyConditions,
    /// The conditions are nested deeper than anybody can follow.
    #[error("nest conditions at most {FILTER_DEPTH_MAX} deep")]
    TooDeep,
    /// The filter is longer than we keep.
    #[error("keep the filter within {FILTER_BYTES_MAX} bytes")]
    TooLong,
}

impl NotAFilter {
    /// Where the fault is, from the outside inwards: `data.amount.$gt`, `$or[1].type`. Empty where it is the whole
    /// filter.
    #[must_use]
    pub fn path(&self) -> String {
        let mut path = String::new();
        for step in &self.trail {
            if !path.is_empty() && !step.starts_with('[') {
                path.push('.');
            }
            path.push_str(step);
        }
        path
    }

    fn within(mut self, step: &str) -> Self {
        self.trail.insert(0, step.chars().take(64).collect());
        self
    }
}

impl From<Fault> for NotAFilter {
    fn from(fault: Fault) -> Self {
        Self { trail: Vec::new(), fault }
    }
}

impl fmt::Display for NotAFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.trail.is_empty() { self.fault.fmt(f) } else { write!(f, "{}: {}", self.path(), self.fault) }
    }
}

impl std::error::Error for NotAFilter {}

const OPERATORS: [&str; 16] = [
    "$eq",
    "$ne",
    "$gt",
    "$gte",
    "$lt",
    "$lte",
    "$in",
    "$nin",
    "$startsWith",
    "$endsWith",
    "$contains",
    "$exists",
    "$regex",
    "$and",
    "$or",
    "$not",
];

/// Reads a filter from the outside inwards, and counts what it is made of.
#[derive(Default)]
struct Parser {
    depth: usize,
    conditions: usize,
    regexes: usize,
}

/// What a condition is about.
#[derive(Clone, Copy, PartialEq)]
enum Subject {
    /// The event itself: paths begin with one of its fields.
    Event,
    /// A value in it.
    Value,
}

type Parse<T> = Result<T, NotAFilter>;

impl Parser {
    fn condition(&mut self, source: &Value, subject: Subject) -> Parse<Condition> {
        if self.depth == FILTER_DEPTH_MAX {
            return Err(Fault::TooDeep.into());
        }
        self.depth += 1;
        let condition = match source {
            Value::Object(entries) if !entries.is_empty() => self.entries(entries, subject)?,
            _ if subject == Subject::Event => return Err(Fault::NotAnObject.into()),
            Value::Object(_) => return Err(Fault::EmptyCondition.into()),
            _ => Condition::Equal(source.clone()),
        };
        self.depth -= 1;
        Ok(condition)
    }

    fn entries(&mut self, entries: &Map<String, Value>, subject: Subject) -> Parse<Condition> {
        self.count(entries.len())?;
        let mut conditions = Vec::with_capacity(entries.len());
        for (key, operand) in entries {
            conditions.push(self.entry(key, operand, subject).map_err(|error| error.within(key))?);
        }
        Ok(match <[Condition; 1]>::try_from(conditions) {
            Ok([only]) => only,
            Err(conditions) => Condition::All(conditions),
        })
    }

    fn entry(&mut self, key: &str, operand: &Value, subject: Subject) -> Parse<Condition> {
        if key.starts_with('$') {
            return self.operator(key, operand, subject);
        }
        let path = match subject {
            Subject::Event => key.parse(),
            Subject::Value => Path::relative(key),
        };
        Ok(Condition::At(path.map_err(Fault::Path)?, Box::new(self.condition(operand, Subject::Value)?)))
    }

    fn operator(&mut self, name: &str, operand: &Value, subject: Subject) -> Parse<Condition> {
        match name {
            "$and" => Ok(Condition::All(self.each(operand, subject)?)),
            "$or" => Ok(Condition::Any(self.each(operand, subject)?)),
            "$not" => Ok(not(self.condition(operand, subject)?)),
            _ if !OPERATORS.contains(&name) => Err(Fault::NoSuchOperator.into()),
            _ if subject == Subject::Event => Err(Fault::NothingToCompare.into()),
            _ => self.comparison(name, operand),
        }
    }

    /// The conditions that `$and` and `$or` combine.
    fn each(&mut self, operand: &Value, subject: Subject) -> Parse<Vec<Condition>> {
        match operand {
            Value::Array(sources) if !sources.is_empty() => {
                self.count(sources.len())?;
                let numbered = sources.iter().enumerate();
                numbered.map(|(index, source)| self.item(index, source, subject)).collect()
            }
            _ => Err(Fault::Operand("a list of at least one condition").into()),
        }
    }

    fn item(&mut self, index: usize, source: &Value, subject: Subject) -> Parse<Condition> {
        self.condition(source, subject).map_err(|error| error.within(&format!("[{index}]")))
    }

    fn comparison(&mut self, name: &str, operand: &Value) -> Parse<Condition> {
        Ok(match name {
            "$eq" => Condition::Equal(operand.clone()),
            "$ne" => not(Condition::Equal(operand.clone())),
            "$in" => Condition::OneOf(self.items(operand)?),
            "$nin" => not(Condition::OneOf(self.items(operand)?)),
            "$gt" => Condition::Compared(Comparison::Above, bound(operand)?),
            "$gte" => Condition::Compared(Comparison::AtLeast, bound(operand)?),
            "$lt" => Condition::Compared(Comparison::Below, bound(operand)?),
            "$lte" => Condition::Compared(Comparison::AtMost, bound(operand)?),
            "$startsWith" => Condition::StartsWith(text(operand)?.to_owned()),
            "$endsWith" => Condition::EndsWith(text(operand)?.to_owned()),
            "$contains" => Condition::Contains {
                text: operand.as_str().map(str::to_owned),
                item: Box::new(self.condition(operand, Subject::Value)?),
            },
            "$exists" => Condition::Exists(operand.as_bool().ok_or(Fault::Operand("true or false"))?),
            "$regex" => self.regex(text(operand)?)?,
            _ => return Err(Fault::NoSuchOperator.into()),
        })
    }

    fn items(&mut self, operand: &Value) -> Parse<Vec<Value>> {
        let items = operand.as_array().ok_or(Fault::Operand("a list of values"))?;
        self.count(items.len())?;
        Ok(items.clone())
    }

    fn regex(&mut self, pattern: &str) -> Parse<Condition> {
        self.regexes += 1;
        if self.regexes > FILTER_REGEXES_MAX {
            return Err(Fault::TooManyRegexes.into());
        }
        let (regex, length) = compile(pattern)?;
        Ok(Condition::Matches { regex, length })
    }

    fn count(&mut self, conditions: usize) -> Parse<()> {
        self.conditions += conditions;
        if self.conditions > FILTER_CONDITIONS_MAX { Err(Fault::TooManyConditions.into()) } else { Ok(()) }
    }
}

fn not(condition: Condition) -> Condition {
    Condition::Not(Box::new(condition))
}

fn text(operand: &Value) -> Result<&str, Fault> {
    operand.as_str().ok_or(Fault::Operand("a text"))
}

fn bound(operand: &Value) -> Result<Value, Fault> {
    let is_ordered = operand.is_number() || operand.is_string();
    is_ordered.then(|| operand.clone()).ok_or(Fault::Operand("a number or a text"))
}

/// The regex and its length written out, if it takes little room and time. Matching is linear in the text, but also
/// in the regex, and `(\d{99}){99}` is much longer than it looks.
fn compile(pattern: &str) -> Result<(Regex, usize), Fault> {
    if pattern.len() > REGEX_BYTES_MAX {
        return Err(Fault::RegexTooLarge);
    }
    let parsed = regex_syntax::parse(pattern).map_err(|error| Fault::Regex(first_words(&error)))?;
    let length = length_written_out(&parsed);
    if length > REGEX_BYTES_MAX {
        return Err(Fault::RegexTooLarge);
    }
    let mut builder = RegexBuilder::new(pattern);
    builder.size_limit(REGEX_COMPILED_BYTES_MAX).dfa_size_limit(REGEX_COMPILED_BYTES_MAX);
    let regex = builder.build().map_err(|_| Fault::RegexTooLarge)?;
    Ok((regex, length))
}

/// The parser's own words, without the drawing that points at the place.
fn first_words(error: &regex_syntax::Error) -> String {
    match error {
        regex_syntax::Error::Parse(error) => error.kind().to_string(),
        regex_syntax::Error::Translate(error) => error.kind().to_string(),
        _ => "it cannot be read".to_owned(),
    }
}

/// How long a regex is when its counted repetitions are written out.
fn length_written_out(hir: &Hir) -> usize {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) | HirKind::Class(_) => 1,
        HirKind::Literal(literal) => literal.0.len(),
        HirKind::Capture(capture) => length_written_out(&capture.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().map(length_written_out).fold(0, usize::saturating_add)
        }
        HirKind::Repetition(repetition) => {
            let times = repetition.max.unwrap_or(repetition.min).max(1) as usize;
            length_written_out(&repetition.sub).saturating_mul(times)
        }
    }
}
