//! The live table on a terminal: draws it, and hears the keys.

use std::collections::VecDeque;
use std::io::{self, Write as _};

use anyhow::Result;
use crossterm::event::{Event as Heard, EventStream, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use crossterm::{cursor, execute, queue, style, terminal};
use futures::future::{Either, FutureExt as _};
use futures::{StreamExt as _, future};

use super::follow::{Follower, News};
use super::forward::{Forwarded, Forwarder};
use super::table::{Key, Row, Table, Wish};

/// Events that wait to be forwarded. Beyond it the server is not asked for more.
const WAITING_MAX: usize = 200;

/// Forwards, and shows it, until it is told to stop.
pub(super) async fn run(
    follower: Follower,
    forwarder: &Forwarder,
    stop: impl Future<Output = ()>,
) -> Result<()> {
    let _raw = Raw::enter()?;
    let (mut news, mut stop) = (std::pin::pin!(follower.news()), std::pin::pin!(stop));
    let mut keys = EventStream::new();
    let (mut table, mut waiting) = (Table::default(), VecDeque::new());
    // One after another, so that they arrive in their order.
    let mut under_way = None;
    loop {
        draw(&table)?;
        if under_way.is_none() {
            under_way =
                next(&table, &mut waiting).map(|(number, row)| forward(forwarder, number, row).boxed_local());
        }
        let done = match &mut under_way {
            Some(forwarding) => Either::Left(forwarding),
            None => Either::Right(future::pending()),
        };
        tokio::select! {
            (number, forwarded) = done => {
                under_way = None;
                table.settle(number, forwarded);
            }
            Some(heard) = news.next(), if waiting.len() < WAITING_MAX => match heard? {
                News::Event(event) => waiting.push_back(table.add(*event, forwarder.delivery_id())),
                News::Away(why) => table.say(format!("{why}; asking again")),
                News::Back => table.say(""),
            },
            Some(heard) = keys.next() => match meaning(&heard?).map(|key| table.press(key)) {
                Some(Wish::Quit) => return Ok(()),
                Some(Wish::Retry(number)) => waiting.push_back(number),
                Some(Wish::Nothing) | None => {}
            },
            () = &mut stop => return Ok(()),
        }
    }
}

/// The next row that waits and is still there.
fn next(table: &Table, waiting: &mut VecDeque<u64>) -> Option<(u64, Row)> {
    std::iter::from_fn(|| waiting.pop_front()).find_map(|number| Some((number, table.row(number)?.clone())))
}

async fn forward(forwarder: &Forwarder, number: u64, row: Row) -> (u64, Forwarded) {
    (number, forwarder.forward(&row.event, row.delivery).await)
}

fn meaning(heard: &Heard) -> Option<Key> {
    let Heard::Key(KeyEvent { code, modifiers, kind: KeyEventKind::Press, .. }) = heard else { return None };
    // A terminal in raw mode sends no signal for it.
    if *code == KeyCode::Char('c') && modifiers.contains(KeyModifiers::CONTROL) {
        return Some(Key::Quit);
    }
    match code {
        KeyCode::Up | KeyCode::Char('k') => Some(Key::Up),
        KeyCode::Down | KeyCode::Char('j') => Some(Key::Down),
        KeyCode::Char('r') => Some(Key::Retry),
        KeyCode::Enter | KeyCode::Char('d') => Some(Key::Details),
        KeyCode::Esc => Some(Key::Back),
        KeyCode::Char('q') => Some(Key::Quit),
        _ => None,
    }
}

fn draw(table: &Table) -> Result<()> {
    let (width, height) = terminal::size()?;
    let mut out = io::stdout().lock();
    for (number, line) in table.lines(width.into(), height.into()).iter().enumerate() {
        let at = cursor::MoveTo(0, u16::try_from(number).unwrap_or(u16::MAX));
        queue!(out, at, style::Print(line), terminal::Clear(terminal::ClearType::UntilNewLine))?;
    }
    out.flush()?;
    Ok(())
}

/// The terminal as a screen of our own, until it is dropped.
struct Raw;

impl Raw {
    fn enter() -> Result<Self> {
        terminal::enable_raw_mode()?;
        let raw = Self;
        execute!(io::stdout(), terminal::EnterAlternateScreen, cursor::Hide)?;
        Ok(raw)
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // If this fails the terminal is gone.
        let _gone = execute!(io::stdout(), cursor::Show, terminal::LeaveAlternateScreen);
        let _gone = terminal::disable_raw_mode();
    }
}
