//! Cursors: positions in the log, as clients hold them.

use std::fmt;
use std::str::FromStr;

use store::Position;

/// A position as clients hold it. What its text means is nobody's business but ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor(pub Position);

/// A text that is no cursor of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no cursor that was given out here")]
pub struct NotACursor;

const PREFIX: &str = "cur_";

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{:016x}", self.0.0)
    }
}

impl FromStr for Cursor {
    type Err = NotACursor;

    fn from_str(text: &str) -> Result<Self, NotACursor> {
        let digits = text.strip_prefix(PREFIX).filter(|digits| digits.len() == 16).ok_or(NotACursor)?;
        // Only what was written: no signs, no capitals.
        let is_ours = digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let position = i64::from_str_radix(digits, 16).ok().filter(|_| is_ours).ok_or(NotACursor)?;
        Ok(Self(Position(position)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_given_out_is_a_cursor() {
        for position in [0, 1, 0xabc, i64::MAX] {
            let cursor = Cursor(Position(position));
            assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
        for wrong in
            ["", "now", "cur_", "cur_+00000000000001f", "cur_000000000000000F", "cur_ffffffffffffffff"]
        {
            assert!(wrong.parse::<Cursor>().is_err(), "{wrong}");
        }
    }
}
