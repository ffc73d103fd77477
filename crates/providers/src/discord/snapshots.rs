//! What has changed around a Discord user, asked for: their profile, and the servers that they are in.
//!
//! Sources: discord/discord-api-docs, "Get Current User", "Get Current User Guilds" (at most 200, so there is one
//! page), "Rate Limits". Discord lists what is, not what happens: so what is is remembered, and what has happened is
//! the difference.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::event::Json;
use domain::{EventType, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Discord, call};
use crate::api::{ApiAnswer, ApiCall, CallFailure, Token};
use crate::connect::{Connectable, api_url};
use crate::poll::{Next, Page, Pollable, Walk, written};
use crate::{Described, InboundEvent, Owner, Settings};

/// Servers that a user can be in.
const GUILDS_MAX: usize = 200;

/// What is told of a profile, and what of a server. Pictures are left out: they change for no reason.
const PROFILE: [&str; 3] = ["id", "username", "global_name"];
const GUILD: [&str; 4] = ["id", "name", "owner", "permissions"];

/// What was there.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Cursor {
    profile: Option<Value>,
    guilds: Option<BTreeMap<String, Value>>,
    /// Walks that have come to their end: tells one change from a later one that is the same.
    walks: u64,
    /// Whether the servers are asked for next.
    is_half_way: bool,
}

impl Pollable for Discord {
    fn name(&self) -> &'static str {
        Connectable::name(self)
    }

    fn every(&self) -> Duration {
        Duration::from_secs(4 * 3_600)
    }

    fn ask(&self, settings: &Settings, token: &Token, walk: &Walk<'_>) -> ApiCall {
        let path = if walk.cursor::<Cursor>().is_half_way {
            "/api/v10/users/@me/guilds"
        } else {
            "/api/v10/users/@me"
        };
        call(api_url(settings, path), token)
    }

    fn read(&self, walk: &Walk<'_>, answer: &ApiAnswer, now: Timestamp) -> Result<Page, CallFailure> {
        let mut cursor: Cursor = walk.cursor();
        let said = answer.success(now)?;
        let (events, next) = if cursor.is_half_way {
            let events = cursor.take_guilds(&said);
            cursor.walks += 1;
            (events, Next::Done)
        } else {
            (cursor.take_profile(&said), Next::More)
        };
        cursor.is_half_way = next == Next::More;
        Ok(Page { events, cursor: written(&cursor), next, wait: answer.rate_resets_after(now) })
    }

    fn event_types(&self) -> &'static [Described] {
        EVENT_TYPES
    }
}

impl Cursor {
    fn take_profile(&mut self, said: &Value) -> Vec<InboundEvent> {
        let profile = only(said, &PROFILE);
        let former = self.profile.replace(profile.clone());
        let former = former.filter(|former| *former != profile);
        former
            .map(|former| self.event("discord.user.updated", "", &profile, Some(&former)))
            .into_iter()
            .collect()
    }

    fn take_guilds(&mut self, said: &Value) -> Vec<InboundEvent> {
        let guilds = said.as_array().map(Vec::as_slice).unwrap_or_default().iter().take(GUILDS_MAX);
        let guilds: BTreeMap<String, Value> = guilds
            .filter_map(|guild| Some((guild["id"].as_str()?.to_owned(), only(guild, &GUILD))))
            .collect();
        // The first time there is nothing to compare it with.
        let Some(former) = self.guilds.replace(guilds.clone()) else { return Vec::new() };
        let of_now = guilds.iter().filter_map(|(id, guild)| match former.get(id) {
            None => Some(self.event("discord.guild.joined", id, guild, None)),
            Some(former) if former != guild => {
                Some(self.event("discord.guild.updated", id, guild, Some(former)))
            }
            Some(_) => None,
        });
        let left = former.iter().filter(|(id, _)| !guilds.contains_key(*id));
        of_now.chain(left.map(|(id, guild)| self.event("discord.guild.left", id, guild, None))).collect()
    }

    fn event(&self, kind: &str, id: &str, now: &Value, former: Option<&Value>) -> InboundEvent {
        let mut data = now.clone();
        if let Some(former) = former {
            data["former"] = former.clone();
        }
        InboundEvent {
            event_type: EventType::from_words([kind]),
            dedupe_id: format!("{kind} {id} {}", self.walks),
            recurrence: None,
            owner: Owner::Path,
            occurred_at: None,
            data: Json::trusted(data.to_string()),
            is_whole_body: true,
        }
    }
}

/// Some fields of an object.
fn only(said: &Value, fields: &[&str]) -> Value {
    let kept = fields.iter().filter_map(|&field| Some((field.to_owned(), said.get(field)?.clone())));
    json!(kept.collect::<serde_json::Map<_, _>>())
}

const EVENT_TYPES: &[Described] = &[
    Described::new(
        "discord.user.updated",
        "A user's profile changed; `former` is what it was",
        r#"{"id":"80351110224678912","username":"nelly","global_name":"Nelly","former":{"id":"80351110224678912","username":"nelly","global_name":null}}"#,
    ),
    Described::new(
        "discord.guild.joined",
        "A user is in a server that they were not in before",
        r#"{"id":"80351110224678912","name":"1337 Krew","owner":true,"permissions":"36953089"}"#,
    ),
    Described::new(
        "discord.guild.left",
        "A user is not in a server any more",
        r#"{"id":"80351110224678912","name":"1337 Krew","owner":true,"permissions":"36953089"}"#,
    ),
    Described::new(
        "discord.guild.updated",
        "A user's server has another name or owner, or the user other permissions; `former` is what it was",
        r#"{"id":"80351110224678912","name":"1338 Krew","owner":true,"permissions":"36953089","former":{"id":"80351110224678912","name":"1337 Krew","owner":true,"permissions":"36953089"}}"#,
    ),
];
