//! Reading a JSON object field by field, so that everything that is wrong with it can be said at once.

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use domain::event::Json;
use http::HeaderMap;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::problem::{FieldProblem, Problem, Result};
use crate::receive::read_body;

/// Bytes of a request to the API that is not a publication.
const BODY_BYTES_MAX: usize = 1_024 * 1_024;

/// A JSON object that is being read.
#[derive(Debug, Clone)]
pub(crate) struct Fields {
    rest: Map<String, Value>,
    problems: Vec<FieldProblem>,
}

/// What a field says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Said<T> {
    /// Nothing: it is not there.
    Nothing,
    /// `null`: back to the default.
    Null,
    /// This.
    Value(T),
}

impl<T> Said<T> {
    /// What it says, or what stands where it says nothing or `null`.
    pub(crate) fn or(self, standing: T) -> T {
        match self {
            Self::Value(value) => value,
            Self::Nothing | Self::Null => standing,
        }
    }

    /// What it says, if it says something.
    pub(crate) fn value(self) -> Option<T> {
        self.map(Some).or(None)
    }

    /// The same about something else.
    pub(crate) fn map<U>(self, as_other: impl FnOnce(T) -> U) -> Said<U> {
        match self {
            Self::Nothing => Said::Nothing,
            Self::Null => Said::Null,
            Self::Value(value) => Said::Value(as_other(value)),
        }
    }

    /// What a change makes of `current`, where `null` means `default`.
    pub(crate) fn change(self, current: &mut T, default: T) {
        match self {
            Self::Nothing => {}
            Self::Null => *current = default,
            Self::Value(value) => *current = value,
        }
    }
}

/// A body that must be one JSON object. It is read once all other arguments of a handler are there.
impl<S: Send + Sync> FromRequest<S> for Fields {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self> {
        let (parts, body) = request.into_parts();
        Self::read(&parts.headers, body).await
    }
}

impl Fields {
    /// Reads a body that must be one JSON object. No body is an empty object.
    pub(crate) async fn read(headers: &HeaderMap, body: Body) -> Result<Self> {
        let body = read_body(headers, body, BODY_BYTES_MAX).await?;
        if body.is_empty() {
            return Ok(Self { rest: Map::new(), problems: Vec::new() });
        }
        let document =
            Json::parse(&body).map_err(|error| Problem::bad_request(format!("the body is {error}")))?;
        match serde_json::from_str(document.as_str()) {
            Ok(Value::Object(rest)) => Ok(Self { rest, problems: Vec::new() }),
            Ok(_) => Err(Problem::bad_request("the body must be a JSON object")),
            Err(error) => Err(Problem::bad_request(format!("the body is not JSON: {error}"))),
        }
    }

    /// Whether the field `name` is this text. It is not taken.
    pub(crate) fn is(&self, name: &str, text: &str) -> bool {
        self.rest.get(name).and_then(Value::as_str) == Some(text)
    }

    /// Takes the field `name`, read as `T` and passed through `check`. What is wrong is noted and counts as nothing
    /// said.
    pub(crate) fn take<T: DeserializeOwned, U, E: ToString>(
        &mut self,
        name: &str,
        expected: &str,
        check: impl FnOnce(T) -> Result<U, E>,
    ) -> Said<U> {
        let value = match self.rest.remove(name) {
            None => return Said::Nothing,
            Some(Value::Null) => return Said::Null,
            Some(value) => value,
        };
        let read = serde_json::from_value(value).map_err(|_| format!("must be {expected}"));
        match read.and_then(|value| check(value).map_err(|error| error.to_string())) {
            Ok(value) => Said::Value(value),
            Err(message) => {
                self.refuse(name, message);
                Said::Nothing
            }
        }
    }

    /// Takes an object whose own fields `read` takes. What is wrong with them is noted under its name; where it is left
    /// out it has none.
    pub(crate) fn take_object<T>(&mut self, name: &str, read: impl FnOnce(&mut Self) -> T) -> T {
        let rest = self.take(name, "an object", Ok::<Map<String, Value>, String>).or(Map::new());
        let mut object = Self { rest, problems: Vec::new() };
        let taken = read(&mut object);
        object.note_left_over();
        for FieldProblem { field, message } in object.problems {
            self.refuse(&format!("{name}.{field}"), message);
        }
        taken
    }

    /// Takes a text that reads as `T`.
    pub(crate) fn take_parsed<T: std::str::FromStr<Err: ToString>>(&mut self, name: &str) -> Said<T> {
        self.take(name, "a text", |text: String| text.parse::<T>())
    }

    /// Takes a whole number within bounds.
    pub(crate) fn take_number(&mut self, name: &str, least: u16, most: u16) -> Said<u16> {
        let expected = format!("a whole number from {least} to {most}");
        self.take(name, &expected, |number: i64| {
            let number = u16::try_from(number).ok().filter(|number| (least..=most).contains(number));
            number.ok_or_else(|| format!("must be {expected}"))
        })
    }

    /// Takes a text that is at most `bytes_max` long and can be kept.
    pub(crate) fn take_text(&mut self, name: &str, bytes_max: usize) -> Said<String> {
        self.take(name, "a text", |text: String| {
            if text.len() > bytes_max {
                Err(format!("must be at most {bytes_max} bytes long"))
            } else if text.contains('\0') {
                Err("must not contain the character U+0000".to_owned())
            } else {
                Ok(text)
            }
        })
    }

    /// What a field that is needed says; noted as missing unless something else is wrong with it already.
    pub(crate) fn need<T>(&mut self, name: &str, said: Said<T>, why: &str) -> Option<T> {
        if let Said::Value(value) = said {
            return Some(value);
        }
        if !self.problems.iter().any(|problem| problem.field == name) {
            self.refuse(name, format!("is needed: {why}"));
        }
        None
    }

    /// Whether something is wrong already.
    pub(crate) fn has_problems(&self) -> bool {
        !self.problems.is_empty()
    }

    /// Notes that `name` cannot be taken.
    pub(crate) fn refuse(&mut self, name: &str, message: impl Into<String>) {
        self.problems.push(FieldProblem { field: name.to_owned(), message: message.into() });
    }

    /// Notes of each of `names` that it is not to be said here.
    pub(crate) fn refuse_all(&mut self, names: &[&str], message: &str) {
        for name in names {
            if self.rest.remove(*name).is_some() {
                self.refuse(name, message);
            }
        }
    }

    fn note_left_over(&mut self) {
        for name in self.rest.keys() {
            let message = "there is no such field".to_owned();
            self.problems.push(FieldProblem { field: name.clone(), message });
        }
    }

    /// Passes if nothing was wrong and nothing is left over.
    pub(crate) fn finish(&mut self) -> Result<()> {
        self.note_left_over();
        if self.problems.is_empty() {
            Ok(())
        } else {
            Err(Problem::invalid(std::mem::take(&mut self.problems)))
        }
    }
}
