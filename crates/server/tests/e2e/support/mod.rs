//! What the stories share: the program, those who send to it, and those whom it delivers to.

pub(crate) mod client;
pub(crate) mod database;
pub(crate) mod program;
pub(crate) mod proxy;
pub(crate) mod receiver;
pub(crate) mod sender;
pub(crate) mod stream;
pub(crate) mod world;

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;

/// How long anything may take. It is far beyond what anything takes, so that only what never comes is reported.
pub(crate) const BOUND: Duration = Duration::from_secs(30);

const POLL_EVERY: Duration = Duration::from_millis(20);

/// Asks until there is an answer, where nobody tells us when to ask.
pub(crate) async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    let began = Instant::now();
    while began.elapsed() < BOUND {
        if let Some(answer) = ask().await {
            return answer;
        }
        tokio::time::sleep(POLL_EVERY).await;
    }
    panic!("not within {BOUND:?}: {what}");
}

/// Waits for what somebody will tell us.
pub(crate) async fn within<T>(what: &str, coming: impl Future<Output = T>) -> T {
    match tokio::time::timeout(BOUND, coming).await {
        Ok(come) => come,
        Err(_) => panic!("not within {BOUND:?}: {what}"),
    }
}

/// What `cargo xtask test` prepares and names in the environment.
pub(crate) fn prepared(variable: &str) -> String {
    std::env::var(variable)
        .unwrap_or_else(|_| panic!("{variable} is not set: run `cargo xtask test`, which prepares it"))
}

/// Makes two tests of one story, which takes the database as its argument.
macro_rules! on_each_database {
    ($($story:ident)*) => {$(
        mod $story {
            use crate::support::database::Engine;

            #[tokio::test]
            async fn on_sqlite() {
                super::$story(Engine::Sqlite).await;
            }

            #[tokio::test]
            async fn on_postgres() {
                super::$story(Engine::Postgres).await;
            }
        }
    )*};
}
pub(crate) use on_each_database;
