//! Stand-ins for subscribers, each with a habit of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use http::StatusCode;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

/// How long the slow one takes. It is within every timeout, and long enough to be seen on a chart.
const SLOW: Duration = Duration::from_millis(1_200);

/// Of so many requests the moody one fails one.
const MOODY_EVERY: u64 = 4;

/// An address at which nobody listens: the port is set apart for what throws everything away (RFC 863).
const NOBODY: &str = "http://127.0.0.1:9/hook";

/// All of them, at one address, until they are dropped.
#[derive(Debug)]
pub struct Receivers {
    address: SocketAddr,
    counts: Arc<Counts>,
    serving: AbortHandle,
}

/// How a subscriber takes what it gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Habit {
    /// It takes everything.
    Good,
    /// It fails now and then.
    Moody,
    /// It takes everything, and its time.
    Slow,
    /// It wants nothing any more, and says so with 410.
    Gone,
    /// It is not there at all.
    Absent,
}

#[derive(Debug, Default)]
struct Counts {
    taken: AtomicU64,
    moody: AtomicU64,
}

impl Receivers {
    /// Starts them on a free port.
    ///
    /// # Errors
    /// There is none.
    #[expect(
        clippy::disallowed_methods,
        reason = "it links none of our crates, and ends the task when it is dropped"
    )]
    pub async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let counts = Arc::new(Counts::default());
        let router = routes().with_state(Arc::clone(&counts));
        let serving = tokio::spawn(async move {
            let _ended = axum::serve(listener, router).await;
        });
        Ok(Self { address, counts, serving: serving.abort_handle() })
    }

    /// Where one with this habit is.
    #[must_use]
    pub fn url(&self, habit: Habit) -> String {
        let path = match habit {
            Habit::Good => "good",
            Habit::Moody => "moody",
            Habit::Slow => "slow",
            Habit::Gone => "gone",
            Habit::Absent => return NOBODY.to_owned(),
        };
        format!("http://{}/{path}", self.address)
    }

    /// How many requests they have taken with a success so far.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.counts.taken.load(Ordering::Relaxed)
    }
}

impl Drop for Receivers {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Counts {
    fn take(&self) -> Response {
        self.taken.fetch_add(1, Ordering::Relaxed);
        Json(json!({ "ok": true })).into_response()
    }

    /// One failure is a fault, the next one too many requests at once.
    fn take_or_not(&self) -> Response {
        let turn = self.moody.fetch_add(1, Ordering::Relaxed);
        match turn % (2 * MOODY_EVERY) {
            1 => (StatusCode::INTERNAL_SERVER_ERROR, r#"{"error":"relation \"orders\" does not exist"}"#)
                .into_response(),
            5 => {
                (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "3")], "busy: come again").into_response()
            }
            _ => self.take(),
        }
    }
}

/// Each reads the whole body before it answers, as a subscriber does that checks signatures.
fn routes() -> Router<Arc<Counts>> {
    Router::new()
        .route("/good", post(async |State(counts): State<Arc<Counts>>, _: Bytes| counts.take()))
        .route("/moody", post(async |State(counts): State<Arc<Counts>>, _: Bytes| counts.take_or_not()))
        .route(
            "/slow",
            post(async |State(counts): State<Arc<Counts>>, _: Bytes| {
                tokio::time::sleep(SLOW).await;
                counts.take()
            }),
        )
        .route("/gone", post(async |_: Bytes| (StatusCode::GONE, "nobody lives here any more")))
}
