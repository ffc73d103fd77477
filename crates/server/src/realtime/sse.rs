//! Server-sent events.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use engine::limits::PARTING_TAKES;
use engine::realtime::{Bye, Frame, Gone, Grant, Heard, Hello, Outlet, Place, Sent, Wire};
use futures::stream;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{Extensions, HeaderName};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::timeout;

use super::Door;
use crate::app::App;
use crate::connections::HangUp;

/// An answer that goes on for as long as the stream does.
pub(super) fn answer(
    app: &Arc<App>,
    connection: &Extensions,
    place: Place,
    grant: Grant,
    hello: Hello,
) -> Response {
    // One piece on its way and one that waits: what does not go out is not fetched.
    let (pieces, body) = mpsc::channel(1);
    let way = Arc::new(Way { pieces, waiting: Mutex::default() });
    let wire = Events { way, hang_up: connection.get::<HangUp>().cloned().unwrap_or_default() };
    let door = Door(Arc::clone(app));
    app.engine.supervisor.spawn(async move { place.serve(wire, &door, grant, hello).await });
    let body = stream::unfold(Some(body), async |body: Option<mpsc::Receiver<Piece>>| {
        let mut body = body?;
        let Piece { bytes, is_last } = body.recv().await?;
        Some((Ok::<_, std::convert::Infallible>(bytes), (!is_last).then_some(body)))
    });
    // Proxies must pass on each piece as it comes.
    let headers = [
        (CONTENT_TYPE, "text/event-stream"),
        (CACHE_CONTROL, "no-store, no-transform"),
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    (headers, Body::from_stream(body)).into_response()
}

/// What the answer still has to say.
struct Events {
    way: Arc<Way>,
    hang_up: HangUp,
}

/// Where it goes out.
#[derive(Debug)]
struct Way {
    pieces: mpsc::Sender<Piece>,
    /// What has no room there yet.
    waiting: Mutex<String>,
}

#[derive(Debug)]
struct Piece {
    bytes: Bytes,
    is_last: bool,
}

impl Way {
    fn waiting(&self) -> MutexGuard<'_, String> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn cleared(&self) -> Result<(), Gone> {
        if !self.is_clear() {
            let room = self.pieces.reserve().await.map_err(|_| Gone)?;
            room.send(Piece::of(std::mem::take(&mut *self.waiting())));
        }
        Ok(())
    }
}

impl Piece {
    fn of(text: String) -> Self {
        Self { bytes: text.into(), is_last: false }
    }
}

impl Outlet for Way {
    fn send(&self, frames: &[Frame]) -> Result<Sent, Gone> {
        let mut waiting = self.waiting();
        write(&mut waiting, frames);
        match self.pieces.try_reserve() {
            Ok(room) => room.send(Piece::of(std::mem::take(&mut *waiting))),
            Err(TrySendError::Full(())) => return Ok(Sent::InPart),
            Err(TrySendError::Closed(())) => return Err(Gone),
        }
        Ok(Sent::Whole)
    }

    fn is_clear(&self) -> bool {
        self.waiting().is_empty()
    }
}

impl Wire for Events {
    fn outlet(&self) -> Arc<dyn Outlet> {
        Arc::<Way>::clone(&self.way)
    }

    async fn hear(&mut self) -> Heard {
        self.way.pieces.closed().await;
        Heard::Nothing
    }

    async fn cleared(&self) -> Result<(), Gone> {
        self.way.cleared().await
    }

    async fn part(self, bye: Bye, lingers: Duration) {
        let mut last = std::mem::take(&mut *self.way.waiting());
        write(&mut last, &[Frame::Bye(bye)]);
        let last = Piece { bytes: last.into(), is_last: true };
        let pieces = &self.way.pieces;
        let sent = timeout(lingers, pieces.send(last)).await.is_ok_and(|sent| sent.is_ok());
        // It has been taken once the answer has ended.
        if !sent || timeout(PARTING_TAKES, pieces.closed()).await.is_err() {
            self.hang_up.now();
        }
    }
}

/// Frames as events: an id where there is a cursor, and the frame as data.
fn write(text: &mut String, frames: &[Frame]) {
    for frame in frames {
        if let Some(cursor) = frame.cursor() {
            *text += &format!("id: {cursor}\n");
        }
        // Senders may write their JSON on several lines. To a reader of events a return ends a line as well.
        let json = frame.to_json();
        for line in String::from_utf8_lossy(&json).replace("\r\n", "\n").split(['\r', '\n']) {
            *text += "data: ";
            *text += line;
            text.push('\n');
        }
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_written_as_events() {
        let mut text = String::new();
        write(&mut text, &[Frame::Heartbeat("cur_0000000000000001".parse().unwrap()), Frame::Bye(Bye::Slow)]);
        let expected = "id: cur_0000000000000001\ndata: {\"t\":\"heartbeat\",\"cursor\":\"cur_0000000000000001\"}\n\n\
                        data: {\"t\":\"bye\",\"code\":\"slow\",\"retry\":true}\n\n";
        assert_eq!(text, expected);
    }
}
