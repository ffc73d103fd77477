//! What was measured, beside what it should be: one table for people, the same rows as JSON for machines.

use std::fmt;

use serde::Serialize;

use crate::machine::Machine;

/// All rows of one run.
#[derive(Debug, Serialize)]
pub struct Report {
    pub machine: Machine,
    pub stored_events: u64,
    pub seconds_per_phase: u64,
    pub connections: usize,
    pub users: u64,
    pub rounds: usize,
    pub rows: Vec<Row>,
}

/// One measured value.
#[derive(Debug, Serialize)]
pub struct Row {
    /// Stable, for machines: `ingest_share_sqlite`.
    pub key: String,
    pub name: String,
    pub value: f64,
    pub unit: &'static str,
    pub target: Option<Target>,
    /// Whether the target is met; absent where there is none.
    pub ok: Option<bool>,
    pub note: String,
}

/// The bound that a value should keep.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    AtLeast(f64),
    AtMost(f64),
    Below(f64),
}

impl Row {
    pub fn new(key: impl Into<String>, name: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self { key: key.into(), name: name.into(), value, unit, target: None, ok: None, note: String::new() }
    }

    pub fn target(mut self, target: Target) -> Self {
        self.ok = Some(target.is_met_by(self.value));
        self.target = Some(target);
        self
    }

    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    fn cells(&self) -> [String; 5] {
        let verdict = match self.ok {
            Some(true) => "ok",
            Some(false) => "MISS",
            None => "",
        };
        [
            self.name.clone(),
            format!("{} {}", Number(self.value), self.unit).trim_end().to_owned(),
            self.target.map(|target| target.to_string()).unwrap_or_default(),
            verdict.to_owned(),
            self.note.clone(),
        ]
    }
}

impl Target {
    fn is_met_by(self, value: f64) -> bool {
        match self {
            Self::AtLeast(bound) => value >= bound,
            Self::AtMost(bound) => value <= bound,
            Self::Below(bound) => value < bound,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(bound) => write!(f, "≥ {}", Number(*bound)),
            Self::AtMost(bound) => write!(f, "≤ {}", Number(*bound)),
            Self::Below(bound) => write!(f, "< {}", Number(*bound)),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.machine)?;
        writeln!(
            f,
            "{} connections, {} users, {} s a phase, median of {} rounds, {} events stored before\n",
            self.connections,
            Number(self.users as f64),
            self.seconds_per_phase,
            self.rounds,
            Number(self.stored_events as f64)
        )?;
        let mut table = vec![["what", "measured", "target", "", "notes"].map(str::to_owned)];
        table.extend(self.rows.iter().map(Row::cells));
        let width =
            |column: usize| table.iter().map(|cells| cells[column].chars().count()).max().unwrap_or(0);
        let (name, value, target, verdict) = (width(0), width(1), width(2), width(3));
        for [a, b, c, d, e] in &table {
            let line = format!("{a:<name$}  {b:>value$}  {c:<target$}  {d:<verdict$}  {e}");
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// A number as people read it: three figures that matter, thousands apart.
#[derive(Clone, Copy, Debug)]
pub struct Number(pub f64);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = match self.0.abs() {
            value if value >= 100.0 || value == self.0.trunc().abs() => 0,
            value if value >= 10.0 => 1,
            value if value >= 0.1 => 2,
            _ => 4,
        };
        let text = format!("{:.decimals$}", self.0);
        let (whole, fraction) = text.split_once('.').map_or((text.as_str(), None), |(w, f)| (w, Some(f)));
        let digits = whole.trim_start_matches('-').len();
        for (place, character) in whole.chars().enumerate() {
            let left = whole.len() - place;
            if left < digits && left.is_multiple_of(3) {
                f.write_str(",")?;
            }
            write!(f, "{character}")?;
        }
        fraction.map_or(Ok(()), |fraction| write!(f, ".{fraction}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        let text = |value| Number(value).to_string();
        assert_eq!(text(102_345.6), "102,346");
        assert_eq!(text(1_000_000.0), "1,000,000");
        assert_eq!(text(999.4), "999");
        assert_eq!(text(0.537), "0.54");
        assert_eq!(text(0.0123), "0.0123");
        assert_eq!(text(12.34), "12.3");
        assert_eq!(text(5.0), "5");
    }

    #[test]
    fn a_bound_counts_as_met_unless_it_says_below() {
        assert!(Target::AtLeast(0.5).is_met_by(0.5));
        assert!(Target::AtMost(5.0).is_met_by(5.0));
        assert!(!Target::Below(0.2).is_met_by(0.2));
    }
}
