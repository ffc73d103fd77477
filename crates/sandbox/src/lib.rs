//! Stand-ins for the providers' APIs.
//!
//! **Promise.** What a stand-in takes and answers is what the provider documents, with its quirks: not what our client
//! happens to send and read. It links none of our crates. Time is an argument, so that months pass in a test; and it can
//! be told to fail in the ways in which providers fail.
//!
//! Read in this order: this file (what a test does with it), [`world`] (who has granted what), [`vendor`] (what is
//! particular to each provider), `tokens` (the OAuth endpoints), `accounts` (what the APIs say about an account), `chats`
//! (messages that are sent). Apart from these: [`traffic`] (what is sent next), [`senders`] (as whom, and signed how),
//! [`receivers`] (who takes it).
//!
//! To add an endpoint: a handler in a file of its subject, and its line in [`routes`].

mod accounts;
mod chats;
pub mod receivers;
pub mod senders;
mod tokens;
pub mod traffic;
pub mod vendor;
pub mod world;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

pub use chats::{Sent, UNIPILE_KEY};
use vendor::{VENDORS, Vendor};
pub use world::{Fault, Pair, World};

/// All stand-ins, at one address, until it is dropped. Each provider has its own path below.
#[derive(Debug)]
pub struct Sandbox {
    address: SocketAddr,
    world: Arc<World>,
    serving: AbortHandle,
}

impl Sandbox {
    /// Starts on a free port; `now` is the time in seconds since the Unix epoch.
    ///
    /// # Panics
    /// There is no free port.
    #[expect(
        clippy::disallowed_methods,
        reason = "it links none of our crates, and ends the task when it is dropped"
    )]
    pub async fn start(now: impl Fn() -> i64 + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it has just been bound");
        let world = Arc::new(World::new(now));
        let router = routes().with_state(Arc::clone(&world));
        let serving = tokio::spawn(async move {
            let _ended = axum::serve(listener, router).await;
        });
        Self { address, world, serving: serving.abort_handle() }
    }

    /// Who has granted what.
    #[must_use]
    pub fn world(&self) -> &World {
        &self.world
    }

    /// The address of a path below the sandbox.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What points a server at the stand-ins: names of environment variables, and values.
    #[must_use]
    pub fn environment(&self) -> Vec<(String, String)> {
        let of = |vendor: &Vendor| {
            let (name, application) = (vendor.name, vendor.application);
            let upper = application.to_uppercase();
            [
                (format!("{upper}_CLIENT_ID"), vendor::CLIENT_ID.to_owned()),
                (format!("{upper}_CLIENT_SECRET"), vendor::CLIENT_SECRET.to_owned()),
                (format!("{upper}_AUTHORIZE_URL"), self.url(&format!("/{application}/authorize"))),
                (format!("{upper}_TOKEN_URL"), self.url(&format!("/{application}/token"))),
                (format!("{}_API_BASE", name.to_uppercase()), self.url(&format!("/{name}"))),
            ]
        };
        let unipile = [
            ("UNIPILE_API_KEY".to_owned(), chats::UNIPILE_KEY.to_owned()),
            ("UNIPILE_API_BASE".to_owned(), self.url("/unipile")),
        ];
        VENDORS.iter().flat_map(of).chain(unipile).collect()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn routes() -> Router<Arc<World>> {
    Router::new()
        // OAuth
        .route("/{application}/authorize", get(tokens::authorize))
        .route("/{application}/token", post(tokens::token))
        // Who somebody is
        .route("/github/user", get(accounts::github_user))
        .route("/slack/api/auth.test", post(accounts::slack_auth_test))
        .route("/gmail/gmail/v1/users/me/profile", get(accounts::gmail_profile))
        .route("/youtube/youtube/v3/channels", get(accounts::youtube_channels))
        .route("/discord/api/v10/users/@me", get(accounts::discord_me))
        .route("/spotify/v1/me", get(accounts::spotify_me))
        // Messages
        .route("/unipile/api/v1/chats/{chat_id}/messages", post(chats::send_to_chat))
}
