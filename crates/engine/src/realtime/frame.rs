//! What is said on a stream: frames, each a JSON object whose `t` says which.

use std::borrow::Cow;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::UserId;
use domain::subscription::TypePattern;
use serde::Deserialize;
use serde_json::{Value, json};

use super::cursor::Cursor;
use super::ephemera::Whisper;
use super::tail::Entry;
use domain::limits::EVENT_TYPES_PER_SUBSCRIPTION_MAX;

/// The version of the frames.
const VERSION: u64 = 1;

/// What we say.
#[derive(Debug, Clone)]
pub enum Frame {
    /// The stream is open.
    Ready {
        /// The connection's name.
        connection: u64,
        /// Where it starts.
        cursor: Cursor,
        /// How long we are silent at the most.
        heartbeat: Duration,
    },
    /// An event.
    Event {
        /// Where it is.
        cursor: Cursor,
        /// The cursor of the last `ready`, `event` or `heartbeat` of this connection.
        previous: Cursor,
        /// The event.
        entry: Arc<Entry>,
    },
    /// Something that is passed on and not kept.
    Ephemeral(Arc<Whisper>),
    /// There is nothing new up to here.
    Heartbeat(Cursor),
    /// The cursor that was asked for cannot be honoured: what lies before this one has to be read anew.
    Reset(Lost, Cursor),
    /// What became of a client's frame.
    Ack(Ack),
    /// The end.
    Bye(Bye),
}

/// Why a cursor cannot be honoured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lost {
    /// Some of what came after it has been removed.
    Expired,
    /// It was not given out here, or lies beyond the end of the log.
    Unknown,
}

/// Why a stream ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bye {
    /// The client does not read.
    Slow,
    /// The token has expired.
    Expired,
    /// The program stops, or cannot tell who is asking.
    Shutdown,
    /// The key has been revoked.
    Revoked,
    /// Nobody who is known here, or somebody else than before.
    Unauthorized,
    /// A frame that means nothing.
    BadFrame,
    /// A frame of more than [`FRAME_BYTES_MAX`](crate::limits::FRAME_BYTES_MAX).
    TooLarge,
    /// A version that is not spoken here.
    UnsupportedVersion,
    /// No `hello` came.
    HelloTimeout,
    /// The user has as many streams as one may have.
    TooMany,
}

/// What became of a client's frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ack {
    /// The client's own number for it.
    pub id: Value,
    /// Where it is in the log, if it is kept there; or what is wrong.
    pub outcome: Result<Option<Cursor>, Refusal>,
}

/// Why a client's frame has done nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// For programs.
    pub code: &'static str,
    /// For people.
    pub detail: String,
}

impl Frame {
    /// The cursor from which one who has read up to here goes on.
    #[must_use]
    pub const fn cursor(&self) -> Option<Cursor> {
        match self {
            Self::Ready { cursor, .. }
            | Self::Event { cursor, .. }
            | Self::Heartbeat(cursor)
            | Self::Reset(_, cursor) => Some(*cursor),
            Self::Ephemeral(_) | Self::Ack(_) | Self::Bye(_) => None,
        }
    }

    /// Its `t`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Ready { .. } => "ready",
            Self::Event { .. } => "event",
            Self::Ephemeral(_) => "ephemeral",
            Self::Heartbeat(_) => "heartbeat",
            Self::Reset(..) => "reset",
            Self::Ack(_) => "ack",
            Self::Bye(_) => "bye",
        }
    }

    /// As it is sent.
    #[must_use]
    pub fn to_json(&self) -> Cow<'_, Bytes> {
        match self {
            // Nearly all frames are these, and are written once for all connections.
            Self::Event { previous, entry, .. } => entry.frame(*previous),
            other => Cow::Owned(other.to_text().into()),
        }
    }

    fn to_text(&self) -> String {
        match self {
            Self::Event { .. } => String::from_utf8_lossy(&self.to_json()).into_owned(),
            Self::Ready { connection, cursor, heartbeat } => format!(
                r#"{{"t":"ready","connection":"cnn_{connection:016x}","cursor":"{cursor}","heartbeat_seconds":{}}}"#,
                heartbeat.as_secs()
            ),
            Self::Heartbeat(cursor) => format!(r#"{{"t":"heartbeat","cursor":"{cursor}"}}"#),
            Self::Reset(lost, cursor) => {
                format!(r#"{{"t":"reset","reason":"{}","cursor":"{cursor}"}}"#, lost.as_str())
            }
            Self::Bye(bye) => {
                format!(r#"{{"t":"bye","code":"{}","retry":{}}}"#, bye.as_str(), bye.may_retry())
            }
            Self::Ephemeral(whisper) => {
                let Whisper { kind, from, data, .. } = &**whisper;
                json!({ "t": "ephemeral", "type": kind, "from": from, "data": data }).to_string()
            }
            Self::Ack(ack) => ack.to_value().to_string(),
        }
    }
}

impl Ack {
    /// As it is sent.
    #[must_use]
    pub fn to_value(&self) -> Value {
        match &self.outcome {
            Ok(Some(cursor)) => {
                json!({ "t": "ack", "id": self.id, "ok": true, "cursor": cursor.to_string() })
            }
            Ok(None) => json!({ "t": "ack", "id": self.id, "ok": true }),
            Err(Refusal { code, detail }) => {
                json!({ "t": "ack", "id": self.id, "ok": false, "error": { "code": code, "detail": detail } })
            }
        }
    }
}

impl Lost {
    /// As it is sent.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Unknown => "unknown",
        }
    }
}

impl Bye {
    /// As it is sent.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Slow => "slow",
            Self::Expired => "expired",
            Self::Shutdown => "shutdown",
            Self::Revoked => "revoked",
            Self::Unauthorized => "unauthorized",
            Self::BadFrame => "bad_frame",
            Self::TooLarge => "too_large",
            Self::UnsupportedVersion => "unsupported_version",
            Self::HelloTimeout => "hello_timeout",
            Self::TooMany => "too_many",
        }
    }

    /// Whether the same client may well be taken in if it comes again.
    #[must_use]
    pub const fn may_retry(self) -> bool {
        matches!(self, Self::Slow | Self::Expired | Self::Shutdown | Self::HelloTimeout | Self::TooMany)
    }
}

/// What a client says.
#[derive(Debug)]
pub(crate) enum Said {
    Hello(Hello),
    Auth(String),
    Send(Send),
    Pong,
}

/// How a client asks for a stream.
#[derive(Debug, Default)]
pub struct Hello {
    /// A key or token; `None` where the request has shown one already.
    pub token: Option<String>,
    /// Whom the operator wants to see.
    pub user: Option<UserId>,
    /// What is wanted of the log.
    pub types: Vec<TypePattern>,
    /// From where.
    pub from: From,
}

/// From where somebody wants to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum From {
    /// What comes from now on.
    #[default]
    Now,
    /// All that there is.
    Earliest,
    /// What came after this.
    After(Cursor),
    /// What came after something that is no cursor.
    Nowhere,
}

impl From {
    /// Reads what a client has sent as its cursor.
    #[must_use]
    pub fn read(text: &str) -> Self {
        match text {
            "" | "now" => Self::Now,
            "earliest" => Self::Earliest,
            text => Cursor::from_str(text).map_or(Self::Nowhere, Self::After),
        }
    }
}

/// A frame by which a client does something.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Send {
    /// The client's own number for it.
    #[serde(default)]
    pub id: Value,
    /// What tells it from another. The same again within a day does nothing more.
    #[serde(default)]
    pub key: Option<String>,
    /// What is to be done.
    #[serde(rename = "type")]
    pub kind: String,
    /// With what.
    #[serde(default)]
    pub data: Value,
}

impl Said {
    /// Reads a frame.
    pub(crate) fn read(text: &str) -> Result<Self, Bye> {
        let frame: Value = serde_json::from_str(text).map_err(|_| Bye::BadFrame)?;
        match frame["t"].as_str() {
            Some("hello") => Hello::read(&frame).map(Self::Hello),
            Some("auth") => text_of(&frame["token"])?.map(Self::Auth).ok_or(Bye::BadFrame),
            Some("send") => serde_json::from_value(frame).map(Self::Send).map_err(|_| Bye::BadFrame),
            Some("pong") => Ok(Self::Pong),
            _ => Err(Bye::BadFrame),
        }
    }
}

impl Hello {
    fn read(frame: &Value) -> Result<Self, Bye> {
        if frame["v"].as_u64() != Some(VERSION) {
            return Err(Bye::UnsupportedVersion);
        }
        let types: Option<Vec<TypePattern>> =
            serde_json::from_value(frame["types"].clone()).map_err(|_| Bye::BadFrame)?;
        let types = types.unwrap_or_default();
        if types.len() > EVENT_TYPES_PER_SUBSCRIPTION_MAX {
            return Err(Bye::BadFrame);
        }
        let user = text_of(&frame["user_id"])?.map(|user| user.parse().map_err(|_| Bye::BadFrame));
        let from = From::read(&text_of(&frame["cursor"])?.unwrap_or_default());
        Ok(Self { token: text_of(&frame["token"])?, user: user.transpose()?, types, from })
    }
}

fn text_of(value: &Value) -> Result<Option<String>, Bye> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.clone())),
        _ => Err(Bye::BadFrame),
    }
}

#[cfg(test)]
mod tests {
    use store::Position;

    use super::*;

    #[test]
    fn what_is_no_frame_is_refused_by_name() {
        let refused = |text: &str| Said::read(text).err().map(Bye::as_str);
        for bad in
            ["", "hello", "[]", "{}", r#"{"t":"event"}"#, r#"{"t":1}"#, r#"{"t":"auth"}"#, "{\"t\":\"send\"}"]
        {
            assert_eq!(refused(bad), Some("bad_frame"), "{bad}");
        }
        for bad in [r#""cursor":1"#, r#""types":"a"#, r#""types":["A"]"#, r#""user_id":"""#, r#""token":{}"#]
        {
            assert_eq!(refused(&format!(r#"{{"t":"hello","v":1,{bad}}}"#)), Some("bad_frame"), "{bad}");
        }
        for wrong in [r#"{"t":"hello"}"#, r#"{"t":"hello","v":2}"#, r#"{"t":"hello","v":"1"}"#] {
            assert_eq!(refused(wrong), Some("unsupported_version"), "{wrong}");
        }
        for good in [r#"{"t":"hello","v":1}"#, r#"{"t":"pong","more":0}"#, r#"{"t":"send","type":"typing"}"#]
        {
            assert_eq!(refused(good), None, "{good}");
        }
    }

    #[test]
    fn a_cursor_is_read_from_what_clients_send() {
        assert_eq!(From::read(""), From::Now);
        assert_eq!(From::read("earliest"), From::Earliest);
        assert_eq!(From::read("cur_000000000000000a"), From::After(Cursor(Position(10))));
        assert_eq!(From::read("10"), From::Nowhere);
    }

    #[test]
    fn frames_are_written_as_agreed() {
        let cursor = Cursor(Position(1));
        let ready = Frame::Ready { connection: 2, cursor, heartbeat: Duration::from_secs(25) };
        assert_eq!(
            ready.to_text(),
            r#"{"t":"ready","connection":"cnn_0000000000000002","cursor":"cur_0000000000000001","heartbeat_seconds":25}"#
        );
        assert_eq!(Frame::Bye(Bye::Slow).to_text(), r#"{"t":"bye","code":"slow","retry":true}"#);
        assert_eq!(
            Frame::Reset(Lost::Expired, cursor).to_text(),
            r#"{"t":"reset","reason":"expired","cursor":"cur_0000000000000001"}"#
        );
    }
}
