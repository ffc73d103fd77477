//! E-mails, as they are kept from what comes in about them.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use domain::email::Direction;
use domain::limits::DESCRIPTION_BYTES_MAX;
use domain::{EmailId, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use store::{Store, StoredEmail};
use utoipa::{IntoParams, ToSchema};

use super::fields::{Fields, Said};
use super::list::{At, Listed, Params, page, parsed};
use super::owned::OwnedEmail;
use crate::access::Bearer;
use crate::app::App;
use crate::problem::{Problem, Result};

/// An e-mail.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ShownEmail {
    #[schema(value_type = String, example = "eml_019aa6b0c7d07b3e8f3c5a1d2e4f6071")]
    id: EmailId,
    #[schema(value_type = String)]
    user_id: UserId,
    /// Its own id at the provider.
    message_id: String,
    /// What it has in common with those that it answers, and with their answers.
    thread_id: String,
    subject: Option<String>,
    #[schema(example = "Bob <bob@example.com>")]
    from: Option<String>,
    to: Vec<String>,
    cc: Vec<String>,
    #[schema(value_type = String)]
    date: Timestamp,
    /// What it says, where that was told.
    text: Option<String>,
    html: Option<String>,
    labels: Vec<String>,
    is_read: bool,
    /// `inbound` or `outbound`.
    #[schema(value_type = String, example = "inbound")]
    direction: Direction,
    /// Since when it is in the trash, or gone.
    #[schema(value_type = Option<String>)]
    deleted_at: Option<Timestamp>,
}

fn show(stored: StoredEmail) -> ShownEmail {
    let email = stored.email;
    ShownEmail {
        id: email.id,
        user_id: email.user_id,
        message_id: email.provider_id,
        thread_id: email.thread_id,
        subject: email.subject,
        from: email.from,
        to: email.to,
        cc: email.cc,
        date: email.date,
        text: email.text,
        html: email.html,
        labels: email.labels,
        is_read: email.is_read,
        direction: email.direction,
        deleted_at: email.deleted_at,
    }
}

/// Which e-mails.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct EmailsQuery {
    /// Whose.
    #[serde(default, deserialize_with = "parsed")]
    #[param(value_type = Option<String>)]
    user_id: Option<UserId>,
    /// Of one thread of that user's.
    thread_id: Option<String>,
    /// At most so many, 1 to 200.
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// List e-mails, the latest first
#[utoipa::path(get, path = "/api/emails", tag = "Inbox", params(EmailsQuery),
    responses((status = 200, body = Listed<ShownEmail>), (status = 400, body = Problem)))]
pub(crate) async fn list_emails(
    State(app): State<Arc<App>>,
    Bearer(access): Bearer,
    Params(query): Params<EmailsQuery>,
) -> Result<At<Listed<ShownEmail>>> {
    let user = access.narrow(query.user_id)?;
    let thread_id = query.thread_id.as_deref().filter(|thread| !thread.is_empty());
    if thread_id.is_some() && user.is_none() {
        return Err(Problem::bad_request("thread_id needs a user_id: whose thread is it?"));
    }
    let page = page(query.limit, query.cursor.as_deref())?;
    let head = app.engine.inbox.cursor().await?;
    let found = app.engine.store.emails(user.as_ref(), thread_id, &page).await?;
    Ok(At(head, Listed::new(found, page.limit, |stored| stored.place().to_string(), show)))
}

/// Read an e-mail
#[utoipa::path(get, path = "/api/emails/{id}", tag = "Inbox", params(("id" = String, Path)),
    responses((status = 200, body = ShownEmail), (status = 404, body = Problem)))]
pub(crate) async fn read_email(OwnedEmail(stored): OwnedEmail) -> Json<ShownEmail> {
    Json(show(stored))
}

/// What is to be fetched: one e-mail, or those that mention something.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it is what the document shows; the body is read field by field")]
pub(crate) struct FetchBody {
    /// Whose. A user's key may leave it out.
    user_id: Option<String>,
    /// The e-mail's id, here or at its provider. Either this or `query`.
    email_id: Option<String>,
    /// Words that stand in the subject, an address or the text.
    query: Option<String>,
}

/// What was fetched.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Fetched {
    /// The latest first.
    emails: Vec<ShownEmail>,
}

/// Fetch e-mails
///
/// From what is kept: one by its id, or the latest fifty of the newest two thousand that mention some words.
#[utoipa::path(post, path = "/actions/fetch_emails", tag = "Inbox", request_body = FetchBody,
    responses((status = 200, body = Fetched), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn fetch_emails(
    State(app): State<Arc<App>>,
    Bearer(access): Bearer,
    mut fields: Fields,
) -> Result<Json<Fetched>> {
    let user: Said<UserId> = fields.take_parsed("user_id");
    let user = access.narrow(user.value())?;
    let email_id = fields.take_text("email_id", DESCRIPTION_BYTES_MAX).value();
    let words = fields.take_text("query", DESCRIPTION_BYTES_MAX).value();
    if user.is_none() && !fields.has_problems() {
        fields.refuse("user_id", "is needed: whose e-mails are they?");
    }
    if email_id.is_some() == words.is_some() && !fields.has_problems() {
        fields.refuse("email_id", "is needed, or query: one of the two");
    }
    fields.finish()?;
    let user = user.ok_or_else(Problem::internal)?;
    let found = match (email_id, words) {
        (Some(id), _) => vec![one(app.engine.store.as_ref(), &user, &id).await?],
        (None, words) => app.engine.inbox.find_emails(&user, &words.unwrap_or_default()).await?,
    };
    Ok(Json(Fetched { emails: found.into_iter().map(show).collect() }))
}

/// A user's e-mail, by its id here or at its provider.
async fn one(store: &dyn Store, user: &UserId, id: &str) -> Result<StoredEmail> {
    let found = match id.parse::<EmailId>() {
        Ok(id) => store.email(id).await?.filter(|stored| stored.email.user_id == *user),
        Err(_) => store.email_called(user, id).await?,
    };
    found.ok_or_else(|| Problem::not_found("email"))
}
