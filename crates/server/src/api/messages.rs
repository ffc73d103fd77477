//! The messages of a conversation.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use domain::conversation::{ContentType, Kind, Shown, Status};
use domain::limits::{FILENAME_BYTES_MAX, MESSAGE_BYTES_MAX, METADATA_BYTES_MAX};
use domain::{Access, ConversationId, MessageId, Timestamp};
use engine::inbox::Post;
use engine::limits::CLIENT_ID_BYTES_MAX;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use super::fields::Fields;
use super::list::{At, Listed, Params, page};
use super::owned::{OwnedConversation, OwnedMessage};
use crate::access::Bearer;
use crate::app::App;
use crate::problem::{Problem, Result};

/// A message.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it is what the document shows; the engine says what a message is for everyone")]
pub(crate) struct ShownMessage {
    #[schema(value_type = String, example = "msg_019aa6b0c7d07b3e8f3c5a1d2e4f6071")]
    id: MessageId,
    /// `null` once it was taken back.
    content: Option<String>,
    /// `TEXT`, `IMAGE`, `VIDEO`, `DOCUMENT` or `AUDIO`.
    #[schema(value_type = String, example = "TEXT")]
    content_type: ContentType,
    filename: Option<String>,
    /// `USER_INPUT`, `SYSTEM` or `BOT`.
    #[schema(value_type = String, example = "USER_INPUT")]
    r#type: Kind,
    /// The conversation's.
    #[schema(example = "WHATSAPP")]
    channel: String,
    /// `RECEIVED`, `PROCESSED` or `FAILED`.
    #[schema(value_type = String, example = "RECEIVED")]
    status: Status,
    #[schema(value_type = Object)]
    metadata: Value,
    /// Who has sent it: the provider's id of them, the user, or `admin`.
    created_by: String,
    updated_by: String,
    #[schema(value_type = String)]
    created_at: Timestamp,
    #[schema(value_type = String)]
    updated_at: Timestamp,
    #[schema(value_type = String)]
    conversation_id: ConversationId,
    /// When it was said, as its provider says.
    #[schema(value_type = String)]
    occurred_at: Timestamp,
    is_own: bool,
    reactions: Vec<ReactionBody>,
    #[schema(value_type = Option<String>)]
    edited_at: Option<Timestamp>,
    #[schema(value_type = Option<String>)]
    deleted_at: Option<Timestamp>,
    #[schema(value_type = Option<String>)]
    delivered_at: Option<Timestamp>,
    #[schema(value_type = Option<String>)]
    read_at: Option<Timestamp>,
}

/// A reaction to a message.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it is what the document shows")]
pub(crate) struct ReactionBody {
    emoji: String,
    by: String,
}

/// Which messages.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct MessagesQuery {
    /// At most so many, 1 to 200.
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// List a conversation's messages, the latest first
#[utoipa::path(get, path = "/api/conversations/{id}/messages", tag = "Inbox",
    params(("id" = String, Path), MessagesQuery),
    responses((status = 200, body = Listed<ShownMessage>), (status = 404, body = Problem)))]
pub(crate) async fn list_messages(
    State(app): State<Arc<App>>,
    OwnedConversation(stored): OwnedConversation,
    Params(query): Params<MessagesQuery>,
) -> Result<At<Listed<Shown>>> {
    let page = page(query.limit, query.cursor.as_deref())?;
    let head = app.engine.inbox.cursor().await?;
    let found = app.engine.store.messages(stored.conversation.id, &page).await?;
    let place = |stored: &store::StoredMessage| stored.place().to_string();
    Ok(At(head, Listed::new(found, page.limit, place, |stored| stored.message.shown())))
}

/// A message to say.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it is what the document shows; the body is read field by field")]
pub(crate) struct MessageBody {
    content: String,
    /// `TEXT` where it is left out; else `IMAGE`, `VIDEO`, `DOCUMENT` or `AUDIO`.
    content_type: Option<String>,
    filename: Option<String>,
    /// `USER_INPUT` where it is left out; else `SYSTEM` or `BOT`.
    r#type: Option<String>,
    /// An object of at most 16 KiB.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Value>,
    /// What tells it from another: the same again under the same key is answered with the first.
    key: Option<String>,
}

/// Say something
///
/// It is kept when this answers. Where the conversation goes on at a provider it is sent then; `message.sent` or
/// `message.failed` tells how that went.
#[utoipa::path(post, path = "/api/conversations/{id}/messages", tag = "Inbox", params(("id" = String, Path)),
    request_body = MessageBody,
    responses((status = 201, body = ShownMessage), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn post_message(
    State(app): State<Arc<App>>,
    Bearer(access): Bearer,
    OwnedConversation(stored): OwnedConversation,
    mut fields: Fields,
) -> Result<(StatusCode, Json<Shown>)> {
    let content = fields.take_text("content", MESSAGE_BYTES_MAX);
    let content = fields.need("content", content, "what is said?");
    let expected = "TEXT, IMAGE, VIDEO, DOCUMENT or AUDIO";
    let content_type = fields.take("content_type", expected, Ok::<ContentType, String>);
    let filename = fields.take_text("filename", FILENAME_BYTES_MAX);
    let kind = fields.take("type", "USER_INPUT, SYSTEM or BOT", Ok::<Kind, String>);
    let metadata = fields.take("metadata", "an object", check_metadata);
    let key = fields.take("key", "a text", check_key);
    if content.as_ref().is_some_and(String::is_empty) {
        fields.refuse("content", "must not be empty");
    }
    fields.finish()?;
    let post = Post {
        content: content.ok_or_else(Problem::internal)?,
        content_type: content_type.or(ContentType::Text),
        filename: filename.value(),
        kind: kind.or(Kind::UserInput),
        metadata: Value::Object(metadata.or(Map::new())),
        key: key.value(),
    };
    let message = app.engine.inbox.post(&stored, post, by(&access)).await?;
    Ok((StatusCode::CREATED, Json(message.shown())))
}

fn check_metadata(metadata: Map<String, Value>) -> Result<Map<String, Value>, String> {
    let bytes = serde_json::to_string(&metadata).map_or(usize::MAX, |text| text.len());
    let too_long = || format!("must be at most {METADATA_BYTES_MAX} bytes long");
    (bytes <= METADATA_BYTES_MAX).then_some(metadata).ok_or_else(too_long)
}

fn check_key(key: String) -> Result<String, String> {
    let is_good = (1..=CLIENT_ID_BYTES_MAX).contains(&key.len());
    is_good.then_some(key).ok_or_else(|| format!("must be 1 to {CLIENT_ID_BYTES_MAX} bytes long"))
}

/// Who does it, as messages name them.
fn by(access: &Access) -> String {
    match access {
        Access::Admin => "admin".to_owned(),
        Access::User(user) => user.to_string(),
    }
}

/// What has become of a message.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it is what the document shows; the body is read field by field")]
pub(crate) struct StatusBody {
    /// `RECEIVED`, `PROCESSED` or `FAILED`.
    status: String,
}

/// Say what has become of a message
///
/// Where that is what it is already, nobody is told.
#[utoipa::path(patch, path = "/api/conversations/{id}/messages/{message_id}", tag = "Inbox",
    params(("id" = String, Path), ("message_id" = String, Path)), request_body = StatusBody,
    responses((status = 200, body = ShownMessage), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn change_message(
    State(app): State<Arc<App>>,
    Bearer(access): Bearer,
    OwnedMessage(conversation, stored): OwnedMessage,
    mut fields: Fields,
) -> Result<Json<Shown>> {
    let status = fields.take("status", "RECEIVED, PROCESSED or FAILED", Ok::<Status, String>);
    let status = fields.need("status", status, "what has become of it?");
    fields.finish()?;
    let status = status.ok_or_else(Problem::internal)?;
    let message = app.engine.inbox.set_status(&conversation, &stored, status, by(&access)).await?;
    Ok(Json(message.shown()))
}
