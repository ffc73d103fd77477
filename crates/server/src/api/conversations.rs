//! Conversations: those that providers' events have made, and those that the host application makes.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use domain::conversation::{Config, Conversation};
use domain::limits::{CHANNEL_BYTES_MAX, METADATA_BYTES_MAX, NAME_BYTES_MAX};
use domain::{ConversationId, Timestamp, UserId};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use store::StoredConversation;
use utoipa::{IntoParams, ToSchema};

use super::endpoint::{check_address, check_url};
use super::fields::{Fields, Said};
use super::list::{At, Listed, Params, page, parsed};
use super::owned::OwnedConversation;
use super::subscriptions::CHANGE_TRIES;
use crate::access::Bearer;
use crate::app::App;
use crate::problem::{Problem, Result};

/// A conversation.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ShownConversation {
    #[schema(value_type = String, example = "cnv_019aa6b0c7d07b3e8f3c5a1d2e4f6071")]
    id: ConversationId,
    #[schema(value_type = String)]
    user_id: UserId,
    /// Over what it goes.
    #[schema(example = "WHATSAPP")]
    channel: String,
    /// What for, in the host application's words.
    usecase: Option<String>,
    config: ShownConfig,
    /// Where it goes on at a provider; `null`: it is kept here alone.
    source: Option<ShownChat>,
    /// Messages of others that have not been seen.
    unread_count: u32,
    #[schema(value_type = Option<String>)]
    last_message_at: Option<Timestamp>,
    #[schema(value_type = String)]
    created_at: Timestamp,
    #[schema(value_type = String)]
    updated_at: Timestamp,
}

/// What the owner of a conversation sets.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ShownConfig {
    /// The host application's workflow that answers.
    workflow_id: Option<String>,
    /// Who is told of each message that is made or processed.
    callback_url: Option<String>,
}

/// A chat at a provider.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ShownChat {
    #[schema(example = "unipile")]
    provider: String,
    account_id: String,
    chat_id: String,
}

fn show(stored: StoredConversation) -> ShownConversation {
    let conversation = stored.conversation;
    let Config { workflow_id, callback_url } = conversation.config;
    ShownConversation {
        id: conversation.id,
        user_id: conversation.user_id,
        channel: conversation.channel,
        usecase: conversation.usecase,
        config: ShownConfig { workflow_id, callback_url },
        source: conversation.source.map(|chat| ShownChat {
            provider: chat.provider,
            account_id: chat.account_id,
            chat_id: chat.chat_id,
        }),
        unread_count: conversation.unread_count,
        last_message_at: conversation.last_message_at,
        created_at: conversation.created_at,
        updated_at: conversation.updated_at,
    }
}

/// A conversation to make.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it is what the document shows; the body is read field by field")]
pub(crate) struct ConversationBody {
    /// Whose. A user's key may leave it out.
    user_id: Option<String>,
    /// Over what it goes; `API` where it is left out.
    #[schema(example = "API")]
    channel: Option<String>,
    usecase: Option<String>,
    config: Option<ConfigBody>,
}

/// What may be changed of a conversation.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it is what the document shows; the body is read field by field")]
pub(crate) struct ConversationTerms {
    usecase: Option<String>,
    config: Option<ConfigBody>,
}

/// What the owner of a conversation sets. What is left out stays, `null` clears.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it is what the document shows; the body is read field by field")]
pub(crate) struct ConfigBody {
    workflow_id: Option<String>,
    /// Is called for each message that is made or processed: three retries, after 4, 8 and 10 seconds; 30 seconds each;
    /// ten at once and a hundred a minute. It is signed like a subscription, whose id has the conversation's digits:
    /// `rotate-secret` gives its secret.
    #[schema(example = "https://example.com/callback")]
    callback_url: Option<String>,
}

/// Make a conversation
#[utoipa::path(post, path = "/api/conversations", tag = "Inbox", request_body = ConversationBody,
    responses((status = 201, body = ShownConversation), (status = 422, body = Problem)))]
pub(crate) async fn create_conversation(
    State(app): State<Arc<App>>,
    Bearer(access): Bearer,
    mut fields: Fields,
) -> Result<(StatusCode, Json<ShownConversation>)> {
    let user: Said<UserId> = fields.take_parsed("user_id");
    let user = access.narrow(user.value())?;
    let channel =
        fields.take("channel", "a text", |channel: String| check_channel(&channel)).or("API".to_owned());
    let now = app.engine.clock.now();
    let id = ConversationId::new(now, &mut engine::chance::rng());
    let (mut usecase, mut config) = (None, Config::default());
    take_terms(&app, &mut fields, &mut usecase, &mut config).await;
    if user.is_none() && !fields.has_problems() {
        fields.refuse("user_id", "is needed: whose conversation is it?");
    }
    fields.finish()?;
    let user = user.ok_or_else(Problem::internal)?;
    let conversation = Conversation { usecase, config, ..Conversation::new(id, user, channel, now) };
    // Before the conversation: then none is there whose messages nobody is told of.
    app.engine.inbox.bind_callback(&conversation).await?;
    let stored = StoredConversation { conversation, revision: 0 };
    if !app.engine.inbox.write(stored.clone()).await? {
        return Err(Problem::internal());
    }
    Ok((StatusCode::CREATED, Json(show(stored))))
}

fn check_channel(channel: &str) -> Result<String, String> {
    let is_good = (1..=CHANNEL_BYTES_MAX).contains(&channel.len())
        && channel.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let expected = format!("must be 1 to {CHANNEL_BYTES_MAX} letters, digits and _, such as API or WHATSAPP");
    is_good.then(|| channel.to_uppercase()).ok_or(expected)
}

async fn take_terms(app: &App, fields: &mut Fields, usecase: &mut Option<String>, config: &mut Config) {
    fields.take_text("usecase", METADATA_BYTES_MAX).map(Some).change(usecase, None);
    let former = config.callback_url.clone();
    fields.take_object("config", |fields| {
        fields.take_text("workflow_id", NAME_BYTES_MAX).map(Some).change(&mut config.workflow_id, None);
        let url = fields.take("callback_url", "a URL", |url: String| check_url(&url));
        url.map(Some).change(&mut config.callback_url, None);
    });
    if config.callback_url != former {
        check_address(app, fields, "config.callback_url", config.callback_url.as_deref()).await;
    }
}

/// Which conversations.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ConversationsQuery {
    /// Whose.
    #[serde(default, deserialize_with = "parsed")]
    #[param(value_type = Option<String>)]
    user_id: Option<UserId>,
    /// At most so many, 1 to 200.
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// List conversations, the one with the latest message first
#[utoipa::path(get, path = "/api/conversations", tag = "Inbox", params(ConversationsQuery),
    responses((status = 200, body = Listed<ShownConversation>)))]
pub(crate) async fn list_conversations(
    State(app): State<Arc<App>>,
    Bearer(access): Bearer,
    Params(query): Params<ConversationsQuery>,
) -> Result<At<Listed<ShownConversation>>> {
    let user = access.narrow(query.user_id)?;
    let page = page(query.limit, query.cursor.as_deref())?;
    let head = app.engine.inbox.cursor().await?;
    let found = app.engine.store.conversations(user.as_ref(), &page).await?;
    Ok(At(head, Listed::new(found, page.limit, |stored| stored.place().to_string(), show)))
}

/// Read a conversation
#[utoipa::path(get, path = "/api/conversations/{id}", tag = "Inbox", params(("id" = String, Path)),
    responses((status = 200, body = ShownConversation), (status = 404, body = Problem)))]
pub(crate) async fn read_conversation(
    State(app): State<Arc<App>>,
    OwnedConversation(stored): OwnedConversation,
) -> Result<At<ShownConversation>> {
    let head = app.engine.inbox.cursor().await?;
    let id = stored.conversation.id;
    let stored = app.engine.store.conversation(id).await?.unwrap_or(stored);
    Ok(At(head, show(stored)))
}

/// Change a conversation
///
/// What is left out stays as it is; `null` clears.
#[utoipa::path(patch, path = "/api/conversations/{id}", tag = "Inbox", params(("id" = String, Path)),
    request_body = ConversationTerms,
    responses((status = 200, body = ShownConversation), (status = 422, body = Problem)))]
pub(crate) async fn change_conversation(
    State(app): State<Arc<App>>,
    OwnedConversation(mut stored): OwnedConversation,
    fields: Fields,
) -> Result<Json<ShownConversation>> {
    let id = stored.conversation.id;
    for _ in 0..CHANGE_TRIES {
        let (mut fields, conversation) = (fields.clone(), &mut stored.conversation);
        take_terms(&app, &mut fields, &mut conversation.usecase, &mut conversation.config).await;
        fields.finish()?;
        conversation.updated_at = app.engine.clock.now();
        if app.engine.inbox.write(stored.clone()).await? {
            app.engine.inbox.bind_callback(&stored.conversation).await?;
            return Ok(Json(show(stored)));
        }
        // A message has just come in, or somebody else was faster.
        let now = app.engine.store.conversation(id).await?;
        stored = now.ok_or_else(|| Problem::not_found("conversation"))?;
    }
    Err(Problem::conflict("conflict", "the conversation is changing too fast; try again"))
}

/// Mark a conversation as read
///
/// All that has been said in it so far; what is said at the same time may count as unread.
#[utoipa::path(post, path = "/api/conversations/{id}/read", tag = "Inbox", params(("id" = String, Path)),
    responses((status = 200, body = ShownConversation), (status = 404, body = Problem)))]
pub(crate) async fn mark_conversation(
    State(app): State<Arc<App>>,
    OwnedConversation(stored): OwnedConversation,
) -> Result<Json<ShownConversation>> {
    app.engine.inbox.mark_read(&stored).await?;
    let id = stored.conversation.id;
    Ok(Json(show(app.engine.store.conversation(id).await?.unwrap_or(stored))))
}
