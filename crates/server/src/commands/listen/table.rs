//! The table of what was forwarded: what it holds, what keys do to it, and how it looks. It draws nothing itself.

use std::collections::VecDeque;

use domain::{DeliveryId, Event};

use super::forward::Forwarded;

/// Rows that are kept. Who scrolls further back than this looks in the log.
const ROWS_MAX: usize = 500;

/// Columns of the widest status that is shown whole.
const STATUS_WIDTH: usize = 12;

/// What was forwarded, and what is being looked at.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// The oldest first.
    rows: VecDeque<Row>,
    /// Rows that have been dropped: a row keeps its number.
    dropped: u64,
    /// The number of the row that is chosen; `None`: the newest.
    chosen: Option<u64>,
    /// Whether the chosen one is shown by itself, and from which line on.
    details_from: Option<usize>,
    /// What is said at the bottom.
    notice: String,
}

/// An event that was, or is being, forwarded.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) event: Event,
    pub(super) delivery: DeliveryId,
    pub(super) tries: u32,
    pub(super) forwarded: Option<Forwarded>,
}

/// A key that means something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    Up,
    Down,
    Retry,
    Details,
    Back,
    Quit,
}

/// What a key asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    Nothing,
    /// Send the row of this number again.
    Retry(u64),
    Quit,
}

impl Table {
    /// Adds an event, and answers the number of its row.
    pub(super) fn add(&mut self, event: Event, delivery: DeliveryId) -> u64 {
        self.rows.push_back(Row { event, delivery, tries: 0, forwarded: None });
        if self.rows.len() > ROWS_MAX {
            self.rows.pop_front();
            self.dropped += 1;
        }
        self.newest()
    }

    pub(super) fn row(&self, number: u64) -> Option<&Row> {
        self.rows.get(usize::try_from(number.checked_sub(self.dropped)?).ok()?)
    }

    /// Notes how a row's event went. A row that is gone needs nothing.
    pub(super) fn settle(&mut self, number: u64, forwarded: Forwarded) {
        let index = number.checked_sub(self.dropped).and_then(|index| usize::try_from(index).ok());
        if let Some(row) = index.and_then(|index| self.rows.get_mut(index)) {
            row.tries += 1;
            row.forwarded = Some(forwarded);
        }
    }

    /// Says something at the bottom.
    pub(super) fn say(&mut self, notice: impl Into<String>) {
        self.notice = notice.into();
    }

    /// Does what a key says.
    pub(super) fn press(&mut self, key: Key) -> Wish {
        match (key, &mut self.details_from) {
            (Key::Quit, _) => return Wish::Quit,
            (Key::Retry, _) => return self.chosen_number().map_or(Wish::Nothing, Wish::Retry),
            (Key::Up, Some(from)) => *from = from.saturating_sub(1),
            (Key::Down, Some(from)) => *from += 1,
            (Key::Details | Key::Back, details @ Some(_)) => *details = None,
            (Key::Details, None) => self.details_from = self.chosen_number().map(|_| 0),
            (Key::Back, None) => self.chosen = None,
            (Key::Up, None) => self.chosen = self.chosen_number().map(|at| at.max(self.dropped + 1) - 1),
            (Key::Down, None) => {
                let next = self.chosen_number().map(|at| at + 1);
                // At the end it goes along with what comes.
                self.chosen = next.filter(|next| *next < self.newest());
            }
        }
        Wish::Nothing
    }

    fn newest(&self) -> u64 {
        (self.dropped + self.rows.len() as u64).saturating_sub(1)
    }

    fn chosen_number(&self) -> Option<u64> {
        let newest = (!self.rows.is_empty()).then(|| self.newest())?;
        Some(self.chosen.unwrap_or(newest).max(self.dropped))
    }

    /// The lines of a screen of this size.
    pub(super) fn lines(&self, width: usize, height: usize) -> Vec<String> {
        let room = height.saturating_sub(2);
        let chosen = self.chosen_number();
        let mut lines = match (self.details_from, chosen.and_then(|number| self.row(number))) {
            (Some(from), Some(row)) => {
                let all = row.details();
                all.into_iter().skip(from).take(room + 1).collect()
            }
            _ => self.overview(chosen, room),
        };
        lines.resize(height.saturating_sub(1), String::new());
        lines.push(self.bottom());
        lines.iter().map(|line| fitted(line, width)).collect()
    }

    fn overview(&self, chosen: Option<u64>, room: usize) -> Vec<String> {
        let head =
            format!("  {:<24}  {:<STATUS_WIDTH$}  {:>8}  {:<16}  TYPE", "RECEIVED", "ANSWER", "MS", "USER");
        // The chosen row is among those that are shown, and the last one as long as it is the newest.
        let last = chosen.map_or(0, |chosen| {
            let last = if self.chosen.is_none() { self.newest() } else { chosen + room as u64 / 2 };
            last.min(self.newest())
        });
        let first = (last + 1).saturating_sub(room as u64).max(self.dropped);
        let rows = (first..=last).filter_map(|number| Some((number, self.row(number)?)));
        let mark = |number| if Some(number) == chosen { '>' } else { ' ' };
        std::iter::once(head)
            .chain(rows.map(|(number, row)| format!("{} {}", mark(number), row.line())))
            .collect()
    }

    fn bottom(&self) -> String {
        let keys = if self.details_from.is_some() {
            "up/down scroll   r send again   enter back   q end"
        } else {
            "up/down choose   r send again   enter details   q end"
        };
        if self.notice.is_empty() { keys.to_owned() } else { format!("{}   |   {keys}", self.notice) }
    }
}

impl Row {
    fn line(&self) -> String {
        let (answer, took) = match &self.forwarded {
            None => ("…".to_owned(), String::new()),
            Some(forwarded) => (forwarded.told(), forwarded.took.as_millis().to_string()),
        };
        let answer = if self.tries > 1 { format!("{answer} ×{}", self.tries) } else { answer };
        let user = self.event.user_id.as_ref().map_or("-", |user| user.as_str());
        let (answer, user) = (cut(&answer, STATUS_WIDTH), cut(user, 16));
        let (received, event_type) = (self.event.received_at, &self.event.event_type);
        format!("{received}  {answer:<STATUS_WIDTH$}  {took:>8}  {user:<16}  {event_type}")
    }

    /// What was sent and answered, line by line.
    fn details(&self) -> Vec<String> {
        let mut lines = vec![self.event.id.to_string(), self.line(), String::new()];
        if let Some(forwarded) = &self.forwarded {
            let headers = forwarded.headers.iter();
            lines.extend(
                headers.map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes()))),
            );
            lines.push(String::new());
        }
        let data: serde_json::Value = serde_json::from_str(self.event.data.as_str()).unwrap_or_default();
        lines.extend(format!("{data:#}").lines().map(str::to_owned));
        if let Some(forwarded) = &self.forwarded {
            lines.extend([String::new(), format!("answered: {}", forwarded.told())]);
            lines.extend(forwarded.excerpt.lines().map(str::to_owned));
        }
        lines
    }
}

/// A line that fits. What strangers have written must not steer the terminal.
fn fitted(line: &str, width: usize) -> String {
    let tame = line.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c });
    tame.take(width).collect()
}

fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use domain::event::Json;
    use domain::{EventId, Timestamp};
    use http::HeaderMap;

    use super::*;

    fn add(table: &mut Table, number: i64) -> u64 {
        let now = Timestamp::from_seconds(1_700_000_000 + number);
        let mut rng = engine::chance::rng();
        let event = Event {
            id: EventId::new(now, &mut rng),
            event_type: format!("task.number_{number}").parse().unwrap(),
            user_id: Some("alice".parse().unwrap()),
            source: "api".into(),
            provider: None,
            occurred_at: now,
            received_at: now,
            data: Json::from_text(&format!(r#"{{"number":{number},"text":"\u001b[31m"}}"#)).unwrap(),
            raw: None,
        };
        table.add(event, DeliveryId::new(now, &mut rng))
    }

    fn answered(status: u16) -> Forwarded {
        let excerpt = "as told\n\u{1b}[2J".to_owned();
        Forwarded { headers: HeaderMap::new(), outcome: Ok(status), excerpt, took: Duration::from_millis(12) }
    }

    /// The type of the row that is marked.
    fn marked(table: &Table) -> String {
        let lines = table.lines(100, 10);
        let line = lines.iter().find(|line| line.starts_with('>')).unwrap_or_else(|| panic!("{lines:?}"));
        line.rsplit(' ').next().unwrap().to_owned()
    }

    #[test]
    fn rows_are_shown_with_their_answers() {
        let mut table = Table::default();
        assert_eq!(table.lines(80, 5).len(), 5);
        assert_eq!(table.press(Key::Retry), Wish::Nothing, "there is nothing yet");
        let (first, second) = (add(&mut table, 1), add(&mut table, 2));
        table.settle(first, answered(204));
        table.settle(second, answered(500));
        table.settle(second, answered(200));
        let lines = table.lines(200, 6);
        assert!(lines[1].contains("  204 ") && lines[1].ends_with("task.number_1"), "{lines:?}");
        assert!(lines[2].starts_with("> ") && lines[2].contains("200 ×2"), "{lines:?}");
        assert!(table.lines(7, 6).iter().all(|line| line.chars().count() <= 7));
        assert_eq!(table.lines(80, 0).len(), 1, "however small the window is");
    }

    #[test]
    fn keys_choose_retry_and_show() {
        let mut table = Table::default();
        for number in 0..50 {
            add(&mut table, number);
        }
        assert_eq!(marked(&table), "task.number_49");
        table.press(Key::Up);
        table.press(Key::Up);
        assert_eq!(marked(&table), "task.number_47");
        add(&mut table, 50);
        assert_eq!(marked(&table), "task.number_47", "it stays where it was put");
        assert_eq!(table.press(Key::Retry), Wish::Retry(47));
        table.press(Key::Details);
        let details = table.lines(80, 40).join("\n");
        assert!(details.contains("\"number\": 47") && !details.contains('\u{1b}'), "{details}");
        table.press(Key::Down);
        assert_ne!(table.lines(80, 40).join("\n"), details, "it scrolls");
        table.press(Key::Back);
        table.press(Key::Back);
        assert_eq!(marked(&table), "task.number_50", "and goes along again");
        assert_eq!(table.press(Key::Quit), Wish::Quit);
    }

    #[test]
    fn only_so_many_rows_are_kept() {
        let mut table = Table::default();
        for number in 0..600 {
            add(&mut table, number);
        }
        assert_eq!(table.rows.len(), ROWS_MAX);
        assert!(table.row(99).is_none() && table.row(100).is_some());
        table.settle(3, answered(200));
        for _ in 0..1_000 {
            table.press(Key::Up);
        }
        assert_eq!(marked(&table), "task.number_100");
        assert_eq!(table.press(Key::Retry), Wish::Retry(100));
    }
}
