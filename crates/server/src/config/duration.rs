//! Spans of time as people write them: `30d`, `12h`, `15m`, `6s`.

use std::fmt;
use std::str::FromStr;

use serde_json::Value as Json;

use super::kind::Kind;

/// A span of time: a whole number of seconds, and at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Duration {
    seconds: u64,
}

/// A text that is no span of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it must be {}", Duration::EXPECTED)]
pub(crate) struct NotADuration;

/// The units and their seconds, the longest first.
const UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

impl Duration {
    pub(super) const fn from_days(days: u32) -> Self {
        Self { seconds: days as u64 * 86_400 }
    }

    pub(super) const fn from_minutes(minutes: u32) -> Self {
        Self { seconds: minutes as u64 * 60 }
    }

    pub(crate) const fn as_std(self) -> std::time::Duration {
        std::time::Duration::from_secs(self.seconds)
    }
}

impl FromStr for Duration {
    type Err = NotADuration;

    fn from_str(text: &str) -> Result<Self, NotADuration> {
        let seconds = UNITS.iter().find_map(|&(unit, seconds)| {
            let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
            number.checked_mul(seconds)
        });
        let seconds = seconds.filter(|&seconds| seconds > 0).ok_or(NotADuration)?;
        Ok(Self { seconds })
    }
}

impl fmt::Display for Duration {
    /// In the longest unit that needs no fraction.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fitting = UNITS.iter().find(|(_, seconds)| self.seconds.is_multiple_of(*seconds));
        let (unit, seconds) = fitting.unwrap_or(&('s', 1));
        write!(f, "{}{unit}", self.seconds / seconds)
    }
}

impl Kind for Duration {
    const EXPECTED: &str = "a time such as 30d, 12h, 15m or 6s";

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn show(&self) -> Json {
        self.to_string().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_read_and_written_in_the_longest_unit_that_fits() {
        for (text, seconds, written) in [
            ("6s", 6, "6s"),
            ("15m", 900, "15m"),
            ("90m", 5_400, "90m"),
            ("24h", 86_400, "1d"),
            ("30d", 2_592_000, "30d"),
        ] {
            let span: Duration = text.parse().unwrap();
            assert_eq!((span.as_std().as_secs(), span.to_string().as_str()), (seconds, written));
        }
    }

    #[test]
    fn refuses_whatever_else() {
        for text in [
            "",
            "d",
            "30",
            "0s",
            "-1d",
            "1.5h",
            "1w",
            "1d ",
            "d1",
            "99999999999999999999d",
            "9999999999999999d",
        ] {
            assert_eq!(text.parse::<Duration>(), Err(NotADuration), "{text}");
        }
    }
}
