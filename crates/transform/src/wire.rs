//! What passes between this process and a runner: a question, then its answer, over and over.
//!
//! A question is a byte for its kind and two texts, an answer is JSON. Each text has its length before it, as four
//! bytes, little end first.

use std::io::{self, BufRead, ErrorKind, Read, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::limits::BODY_BYTES_MAX;

/// Bytes of an answer. A body's control characters take six bytes each in JSON; the rest is for headers and words.
const ANSWER_BYTES_MAX: usize = 6 * BODY_BYTES_MAX + 64 * 1_024;

/// What a runner is asked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Question<T> {
    /// Is this a transform? Answered with a `Result<(), NotATransform>`.
    Compile { source: T },
    /// What does this transform make of this event? Answered with a `Result<Transformed, Failed>`.
    Run { source: T, event: T },
}

impl Question<&str> {
    pub(crate) fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let (kind, source, event) = match self {
            Self::Compile { source } => (b'c', source, ""),
            Self::Run { source, event } => (b'r', source, *event),
        };
        to.write_all(&[kind])?;
        write_text(to, source.as_bytes())?;
        write_text(to, event.as_bytes())?;
        to.flush()
    }
}

impl Question<String> {
    /// Reads the next question; `None` where there are no more.
    pub(crate) fn read(from: &mut impl BufRead) -> io::Result<Option<Self>> {
        let Some(kind) = from.by_ref().bytes().next().transpose()? else {
            return Ok(None);
        };
        let mut text = || String::from_utf8(read_text(from, usize::MAX)?).map_err(io::Error::other);
        let (source, event) = (text()?, text()?);
        match kind {
            b'c' => Ok(Some(Self::Compile { source })),
            b'r' => Ok(Some(Self::Run { source, event })),
            _ => Err(ErrorKind::InvalidData.into()),
        }
    }
}

pub(crate) fn write_answer(to: &mut impl Write, answer: &impl Serialize) -> io::Result<()> {
    write_text(to, &serde_json::to_vec(answer)?)?;
    to.flush()
}

pub(crate) fn read_answer<A: DeserializeOwned>(from: &mut impl Read) -> io::Result<A> {
    Ok(serde_json::from_slice(&read_text(from, ANSWER_BYTES_MAX)?)?)
}

fn write_text(to: &mut impl Write, text: &[u8]) -> io::Result<()> {
    let length = u32::try_from(text.len()).map_err(io::Error::other)?;
    to.write_all(&length.to_le_bytes())?;
    to.write_all(text)
}

fn read_text(from: &mut impl Read, bytes_max: usize) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = usize::try_from(u32::from_le_bytes(length)).map_err(io::Error::other)?;
    if length > bytes_max {
        return Err(ErrorKind::InvalidData.into());
    }
    let mut text = vec![0; length];
    from.read_exact(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::function::{Failed, Transformed};

    #[test]
    fn a_question_arrives_as_it_was_asked() {
        let mut pipe = Vec::new();
        Question::Run { source: "e => e", event: "{\"ü\":\"\\u0000\"}" }.write(&mut pipe).unwrap();
        Question::Compile { source: "" }.write(&mut pipe).unwrap();
        let mut pipe = pipe.as_slice();
        let run = Question::Run { source: "e => e".to_owned(), event: "{\"ü\":\"\\u0000\"}".to_owned() };
        assert_eq!(Question::read(&mut pipe).unwrap(), Some(run));
        assert_eq!(Question::read(&mut pipe).unwrap(), Some(Question::Compile { source: String::new() }));
        assert_eq!(Question::read(&mut pipe).unwrap(), None);
    }

    #[test]
    fn the_largest_body_is_an_answer() {
        let body = "\u{1}".repeat(BODY_BYTES_MAX);
        let answer: Result<_, Failed> = Ok(Transformed::Request { body, headers: Vec::new() });
        let mut pipe = Vec::new();
        write_answer(&mut pipe, &answer).unwrap();
        assert_eq!(read_answer::<Result<Transformed, Failed>>(&mut pipe.as_slice()).unwrap(), answer);
    }

    #[test]
    fn half_a_message_is_an_error() {
        let mut pipe = Vec::new();
        Question::Compile { source: "e => e" }.write(&mut pipe).unwrap();
        assert!(Question::read(&mut &pipe[..pipe.len() - 1]).is_err());
        assert!(read_answer::<()>(&mut [255; 64].as_slice()).is_err());
    }
}
