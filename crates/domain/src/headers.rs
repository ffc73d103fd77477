//! Headers that a subscription adds to its requests, and which names are not its to set.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::limits::{HEADER_BYTES_MAX, HEADERS_MAX};

/// Headers beside ours, by name. There are at most [`HEADERS_MAX`] with [`HEADER_BYTES_MAX`] bytes in all.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Headers(BTreeMap<String, String>);

/// Why a header cannot be sent. The text continues a sentence about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadHeader {
    /// One more than there may be, or too many bytes.
    #[error("there are too many, or they are too long")]
    TooMany,
    /// RFC 9110, section 5.6.2, has it otherwise.
    #[error("its name is not made of letters, digits and !#$%&'*+-.^_`|~")]
    Name,
    /// A line break, for one, would begin another header.
    #[error("its value holds something other than printable ASCII")]
    Value,
    /// It says how the request travels, or who sent it and what.
    #[error("it is set by Waystation itself")]
    Ours,
    /// Names differ by more than their case.
    #[error("it is there twice")]
    Twice,
}

/// Names that say how a request travels.
const TRAVEL: [&str; 11] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// How names begin that say who sent a request and what.
const SIGNED: [&str; 2] = ["webhook-", "x-webhook-"];

impl Headers {
    /// Headers that may be sent.
    ///
    /// # Errors
    /// The first that may not, and why.
    pub fn new(headers: BTreeMap<String, String>) -> Result<Self, (String, BadHeader)> {
        let mut before: Vec<(String, String)> = Vec::with_capacity(headers.len().min(HEADERS_MAX));
        for (name, value) in &headers {
            check(name, value, &before).map_err(|bad| (name.chars().take(64).collect(), bad))?;
            before.push((name.clone(), value.clone()));
        }
        Ok(Self(headers))
    }

    /// Each with its value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// Without the values: people put tokens there.
impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Passes if a header may follow those before it.
///
/// # Errors
/// Why it may not.
pub fn check(name: &str, value: &str, before: &[(String, String)]) -> Result<(), BadHeader> {
    let bytes: usize = before.iter().map(|(name, value)| name.len() + value.len()).sum();
    if before.len() == HEADERS_MAX || bytes + name.len() + value.len() > HEADER_BYTES_MAX {
        Err(BadHeader::TooMany)
    } else if name.is_empty() || !name.bytes().all(is_token_byte) {
        Err(BadHeader::Name)
    } else if !value.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~')) {
        Err(BadHeader::Value)
    } else if is_ours(name) {
        Err(BadHeader::Ours)
    } else if before.iter().any(|(earlier, _)| earlier.eq_ignore_ascii_case(name)) {
        Err(BadHeader::Twice)
    } else {
        Ok(())
    }
}

fn is_ours(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    TRAVEL.contains(&name.as_str()) || SIGNED.iter().any(|prefix| name.starts_with(prefix))
}

/// RFC 9110, section 5.6.2.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> Result<Headers, (String, BadHeader)> {
        Headers::new(pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    fn fault(pairs: &[(&str, &str)]) -> BadHeader {
        headers(pairs).unwrap_err().1
    }

    #[test]
    fn what_a_receiver_may_need_is_taken() {
        let taken =
            headers(&[("Authorization", "Bearer x"), ("X-Team", ""), ("User-Agent", "us/1")]).unwrap();
        assert_eq!(taken.iter().count(), 3);
        assert_eq!(format!("{taken:?}"), r#"{"Authorization", "User-Agent", "X-Team"}"#, "no values");
    }

    #[test]
    fn names_that_are_ours_are_refused_in_any_case() {
        for name in ["Host", "content-length", "CONNECTION", "Transfer-Encoding", "Webhook-Id", "webhook-new"]
        {
            assert_eq!(fault(&[(name, "x")]), BadHeader::Ours, "{name}");
        }
        assert_eq!(fault(&[("X-Webhook-Signature", "x")]), BadHeader::Ours);
        assert_eq!(fault(&[("X-Webhook-Anything", "x")]), BadHeader::Ours);
    }

    #[test]
    fn what_would_break_a_request_is_refused() {
        for value in ["a\r\nX-Evil: 1", "a\nb", "\0", "é", "\x7f"] {
            assert_eq!(fault(&[("X-A", value)]), BadHeader::Value, "{value:?}");
        }
        for name in ["", "a b", "a:b", "a\r\n", "é"] {
            assert_eq!(fault(&[(name, "x")]), BadHeader::Name, "{name:?}");
        }
        assert_eq!(fault(&[("X-A", "1"), ("x-a", "2")]), BadHeader::Twice);
        assert_eq!(fault(&[("X-A", &"x".repeat(HEADER_BYTES_MAX))]), BadHeader::TooMany);
        let many: Vec<String> = (0..=HEADERS_MAX).map(|number| format!("X-{number}")).collect();
        let many: Vec<_> = many.iter().map(|name| (name.as_str(), "x")).collect();
        assert_eq!(fault(&many), BadHeader::TooMany);
    }
}
