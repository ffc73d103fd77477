//! Stand-ins for the providers' APIs.
//!
//! **Promise.** What a stand-in takes and answers is what the provider documents, with its quirks: not what our client
//! happens to send and read. It links none of our crates. Time is an argument, so that months pass in a test; and it
//! can be told to fail in the ways in which providers fail.
//!
//! Read in this order: this file (what a test does with it), [`world`] (who has granted what), [`vendor`] (what is
//! particular to each provider), `tokens` (the OAuth endpoints), `accounts` (what the APIs say about an account),
//! [`pushing`] (what can be set up so that they push, and what they then send), `chats` (messages that are sent), and a
//! file for what happens in the accounts of each provider, with a button for each thing that can. Apart from these:
//! [`traffic`] (what is sent next), [`senders`] (as whom, and signed how), [`receivers`] (who takes it).
//!
//! To add an endpoint: a handler in a file of its subject, and its line in [`routes`].

mod accounts;
mod chats;
mod clock;
mod discord;
mod github;
mod gmail;
pub mod pushing;
pub mod receivers;
pub mod senders;
mod slack;
mod spotify;
mod tokens;
pub mod traffic;
mod unipile;
pub mod vendor;
pub mod world;
mod youtube;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

pub use chats::Sent;
pub use gmail::Mail;
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
        let router = routes().merge(pushing::routes(&world)).with_state(Arc::clone(&world));
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
        VENDORS.iter().flat_map(of).chain(self.pushing_environment()).collect()
    }
}

impl Sandbox {
    /// What the operator copies from the providers' pages, so that what they push is believed.
    #[must_use]
    pub fn inbound_environment(&self) -> [(String, String); 5] {
        [
            ("SLACK_SIGNING_SECRET", pushing::signing::SLACK_SECRET.to_owned()),
            ("DISCORD_PUBLIC_KEY", pushing::signing::discord_public_key()),
            ("GOOGLE_PUBSUB_SERVICE_ACCOUNT", pushing::signing::SERVICE_ACCOUNT.to_owned()),
            ("GOOGLE_PUBSUB_AUDIENCE", pushing::signing::AUDIENCE.to_owned()),
            ("GOOGLE_JWKS_URL", self.url("/google/certs")),
        ]
        .map(|(name, value)| (name.to_owned(), value))
    }

    /// What the operator sets so that the stand-ins can be made to push.
    fn pushing_environment(&self) -> [(String, String); 7] {
        let key = pushing::OPERATOR_KEY.to_owned();
        [
            ("GOOGLE_PUBSUB_TOPIC", "projects/way/topics/mail".to_owned()),
            ("YOUTUBE_HUB_URL", self.url("/hub/subscribe")),
            ("UNIPILE_API_BASE", self.url("/unipile")),
            ("UNIPILE_API_KEY", key.clone()),
            ("COMPOSIO_API_BASE", self.url("/composio")),
            ("COMPOSIO_API_KEY", key.clone()),
            ("DISCORD_BOT_TOKEN", key),
        ]
        .map(|(name, value)| (name.to_owned(), value))
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
        .route("/gmail/gmail/v1/users/me/profile", get(gmail::profile))
        .route("/youtube/youtube/v3/channels", get(youtube::channels))
        .route("/discord/api/v10/users/@me", get(discord::me))
        .route("/spotify/v1/me", get(accounts::spotify_me))
        // What has happened
        .route("/slack/api/users.conversations", get(slack::conversations))
        .route("/slack/api/conversations.history", get(slack::history))
        .route("/slack/api/conversations.replies", get(slack::replies))
        .route("/github/users/{user}/events", get(github::events))
        .route("/gmail/gmail/v1/users/me/history", get(gmail::history))
        .route("/gmail/gmail/v1/users/me/messages", get(gmail::messages))
        .route("/gmail/gmail/v1/users/me/messages/{id}", get(gmail::message))
        .route("/gmail/gmail/v1/users/me/threads/{id}", get(gmail::thread))
        .route("/youtube/youtube/v3/playlistItems", get(youtube::playlist_items))
        .route("/discord/api/v10/users/@me/guilds", get(discord::guilds))
        .route("/spotify/v1/me/player/recently-played", get(spotify::recently_played))
        // Messages
        .route("/unipile/api/v1/chats/{chat_id}/messages", post(chats::send_to_chat))
        .route("/slack/api/chat.postMessage", post(chats::post_to_channel))
}
