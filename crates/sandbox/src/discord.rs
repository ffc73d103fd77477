//! Discord: users, and the servers that they are in.
//!
//! Source: discord/discord-api-docs, "Get Current User", "Get Current User Guilds", "Rate Limits".

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use crate::accounts::account;
use crate::world::World;

/// By user.
pub(crate) type Users = HashMap<String, User>;

/// What can be seen of a user.
#[derive(Debug, Default)]
pub(crate) struct User {
    global_name: Option<String>,
    /// By id: their names.
    guilds: BTreeMap<String, String>,
}

impl World {
    /// A user calls themselves something else.
    pub fn rename_discord_user(&self, user: &str, name: &str) {
        self.data().discord.entry(user.to_owned()).or_default().global_name = Some(name.to_owned());
    }

    /// A user joins a server, or it gets another name.
    pub fn join_guild(&self, user: &str, guild: &str, name: &str) {
        self.data()
            .discord
            .entry(user.to_owned())
            .or_default()
            .guilds
            .insert(guild.to_owned(), name.to_owned());
    }

    /// A user lets the application in.
    pub fn authorize_discord(&self, user: &str) {
        self.tell_application("APPLICATION_AUTHORIZED", user);
    }

    /// A user leaves a server.
    pub fn leave_guild(&self, user: &str, guild: &str) {
        self.data().discord.entry(user.to_owned()).or_default().guilds.remove(guild);
    }
}

/// `GET /users/@me`.
pub(crate) async fn me(State(world): State<Arc<World>>, headers: HeaderMap) -> Response {
    let user = match user(&world, &headers) {
        Ok(user) => user,
        Err(status) => return refused(status),
    };
    let name = world.data().discord.get(&user).and_then(|known| known.global_name.clone());
    let body = json!({ "id": user, "username": "nelly", "discriminator": "0", "global_name": name });
    Json(body).into_response()
}

/// `GET /users/@me/guilds`.
pub(crate) async fn guilds(State(world): State<Arc<World>>, headers: HeaderMap) -> Response {
    let user = match user(&world, &headers) {
        Ok(user) => user,
        Err(status) => return refused(status),
    };
    if let Some(status) = world.count_api_call("discord") {
        let body = json!({ "message": "You are being rate limited.", "retry_after": 29.5, "global": false });
        return (status, [(RETRY_AFTER, "30")], Json(body)).into_response();
    }
    let data = world.data();
    let guilds = data.discord.get(&user).map(|known| &known.guilds);
    let shown = |(id, name): (&String, &String)| json!({ "id": id, "name": name, "icon": null, "owner": false, "permissions": "36953089", "features": [] });
    Json(guilds.into_iter().flatten().map(shown).collect::<Vec<Value>>()).into_response()
}

/// Whose a token is. Who does not look like a bot is refused at the door.
fn user(world: &World, headers: &HeaderMap) -> Result<String, StatusCode> {
    let agent = headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    if !agent.starts_with("DiscordBot (") {
        return Err(StatusCode::FORBIDDEN);
    }
    account(world, "discord", headers).ok_or(StatusCode::UNAUTHORIZED)
}

fn refused(status: StatusCode) -> Response {
    (status, Json(json!({ "message": status.to_string(), "code": 0 }))).into_response()
}
