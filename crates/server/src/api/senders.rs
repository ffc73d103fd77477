//! The senders that are known.

use axum::Json;
use providers::scheme::{self, Verification};
use serde::Serialize;
use utoipa::ToSchema;

use crate::access::Bearer;

/// Somebody who sends webhooks, and how.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ShownSender {
    #[schema(example = "stripe")]
    name: &'static str,
    title: &'static str,
    aliases: &'static [String],
    /// Whether a vector of its own is a witness to this. If not, it rests on what was read about it.
    confirmed: bool,
    /// What a person who sets it up has to know.
    note: Option<&'static str>,
    /// How its requests are verified.
    #[schema(value_type = Object)]
    verification: &'static Verification,
    /// Whether it signs the URL too, so that `public_url` has to be right.
    signs_url: bool,
    /// Whether it asks first if an address wants its events.
    has_handshake: bool,
}

/// Every sender that is known.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Senders {
    data: Vec<ShownSender>,
}

/// List the senders that are known
#[utoipa::path(get, path = "/api/senders", tag = "Sources", responses((status = 200, body = Senders)))]
pub(crate) async fn list_senders(_: Bearer) -> Json<Senders> {
    let shown = |sender: &'static scheme::Sender| ShownSender {
        name: &sender.name,
        title: &sender.title,
        aliases: &sender.aliases,
        confirmed: sender.confirmed,
        note: sender.note.as_deref(),
        verification: &sender.verification,
        signs_url: sender.verification.signs_url(),
        has_handshake: sender.challenge.is_some(),
    };
    Json(Senders { data: scheme::senders().iter().map(shown).collect() })
}
