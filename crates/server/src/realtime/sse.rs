//! Server-sent events.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use engine::limits::PARTING_TAKES;
use engine::realtime::{Bye, Frame, Gone, Grant, Heard, Hello, Place, Wire};
use futures::stream;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{Extensions, HeaderName};
use tokio::sync::mpsc;
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
    let wire = Events { pieces, hang_up: connection.get::<HangUp>().cloned().unwrap_or_default() };
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
    pieces: mpsc::Sender<Piece>,
    hang_up: HangUp,
}

struct Piece {
    bytes: Bytes,
    is_last: bool,
}

impl Wire for Events {
    async fn hear(&mut self) -> Heard {
        self.pieces.closed().await;
        Heard::Nothing
    }

    fn tell(&mut self, frames: &[Frame]) -> impl Future<Output = Result<(), Gone>> + Send {
        let piece = Piece { bytes: write(frames), is_last: false };
        async { self.pieces.send(piece).await.map_err(|_| Gone) }
    }

    async fn part(self, bye: Bye, lingers: Duration) {
        let last = Piece { bytes: write(&[Frame::Bye(bye)]), is_last: true };
        let sent = timeout(lingers, self.pieces.send(last)).await.is_ok_and(|sent| sent.is_ok());
        // It has been taken once the answer has ended.
        if !sent || timeout(PARTING_TAKES, self.pieces.closed()).await.is_err() {
            self.hang_up.now();
        }
    }
}

/// Frames as events: an id where there is a cursor, and the frame as data.
fn write(frames: &[Frame]) -> Bytes {
    let mut text = String::new();
    for frame in frames {
        if let Some(cursor) = frame.cursor() {
            text += &format!("id: {cursor}\n");
        }
        // Senders may write their JSON on several lines. To a reader of events a return ends a line as well.
        let json = frame.to_json();
        for line in String::from_utf8_lossy(&json).replace("\r\n", "\n").split(['\r', '\n']) {
            text += "data: ";
            text += line;
            text.push('\n');
        }
        text.push('\n');
    }
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_written_as_events() {
        let text = write(&[Frame::Heartbeat("cur_0000000000000001".parse().unwrap()), Frame::Bye(Bye::Slow)]);
        let expected = "id: cur_0000000000000001\ndata: {\"t\":\"heartbeat\",\"cursor\":\"cur_0000000000000001\"}\n\n\
                        data: {\"t\":\"bye\",\"code\":\"slow\",\"retry\":true}\n\n";
        assert_eq!(text, expected);
    }
}
