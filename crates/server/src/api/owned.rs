//! Things that belong to somebody, loaded and checked before a handler sees them.
//!
//! A handler that takes one of these cannot forget the check. What does not exist answers 404, what belongs to somebody
//! else 403.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Path};
use domain::delivery::Delivery;
use domain::registration::Basis;
use http::request::Parts;
use store::{
    Logged, StoredConnection, StoredConversation, StoredEmail, StoredJob, StoredMessage, StoredRegistration,
    StoredSource, StoredSubscription,
};

use crate::access::Bearer;
use crate::app::App;
use crate::problem::{Problem, Result};

/// An event of the bearer's.
#[derive(Debug)]
pub(crate) struct OwnedEvent(pub(crate) Logged);

/// A delivery of one of the bearer's subscriptions.
#[derive(Debug)]
pub(crate) struct OwnedDelivery(pub(crate) Delivery);

/// A subscription of the bearer's.
#[derive(Debug)]
pub(crate) struct OwnedSubscription(pub(crate) StoredSubscription);

/// A source of the bearer's.
#[derive(Debug)]
pub(crate) struct OwnedSource(pub(crate) StoredSource);

/// A job of the bearer's.
#[derive(Debug)]
pub(crate) struct OwnedJob(pub(crate) StoredJob);

/// A connection of the bearer's.
#[derive(Debug)]
pub(crate) struct OwnedConnection(pub(crate) StoredConnection);

/// A registration of one of the bearer's connections, with that.
#[derive(Debug)]
pub(crate) struct OwnedRegistration(pub(crate) StoredConnection, pub(crate) StoredRegistration);

/// A conversation of the bearer's.
#[derive(Debug)]
pub(crate) struct OwnedConversation(pub(crate) StoredConversation);

/// A message of one of the bearer's conversations, with that.
#[derive(Debug)]
pub(crate) struct OwnedMessage(pub(crate) StoredConversation, pub(crate) StoredMessage);

/// An e-mail of the bearer's.
#[derive(Debug)]
pub(crate) struct OwnedEmail(pub(crate) StoredEmail);

/// The id in the path. A text that is no id names nothing.
async fn id<T: std::str::FromStr>(parts: &mut Parts, app: &Arc<App>, what: &str) -> Result<T> {
    let path = Path::<String>::from_request_parts(parts, app).await;
    path.ok().and_then(|Path(text)| text.parse().ok()).ok_or_else(|| Problem::not_found(what))
}

impl FromRequestParts<Arc<App>> for OwnedEvent {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self> {
        let Bearer(access) = Bearer::from_request_parts(parts, app).await?;
        let id = id(parts, app, "event").await?;
        let logged = app.engine.store.event(id).await?.ok_or_else(|| Problem::not_found("event"))?;
        access.check(logged.event.user_id.as_ref())?;
        Ok(Self(logged))
    }
}

impl FromRequestParts<Arc<App>> for OwnedDelivery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self> {
        let Bearer(access) = Bearer::from_request_parts(parts, app).await?;
        let id = id(parts, app, "delivery").await?;
        let delivery = app.engine.store.delivery(id).await?.ok_or_else(|| Problem::not_found("delivery"))?;
        access.check(delivery.owner_id.as_ref())?;
        Ok(Self(delivery))
    }
}

impl FromRequestParts<Arc<App>> for OwnedSubscription {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self> {
        let Bearer(access) = Bearer::from_request_parts(parts, app).await?;
        let id = id(parts, app, "subscription").await?;
        let stored = app.engine.store.subscription(id).await?;
        let stored = stored.ok_or_else(|| Problem::not_found("subscription"))?;
        access.check(stored.subscription.user_id.as_ref())?;
        Ok(Self(stored))
    }
}

impl FromRequestParts<Arc<App>> for OwnedSource {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self> {
        let Bearer(access) = Bearer::from_request_parts(parts, app).await?;
        let id = id(parts, app, "source").await?;
        let stored = app.engine.store.source(id).await?.ok_or_else(|| Problem::not_found("source"))?;
        access.check(stored.user_id.as_ref())?;
        Ok(Self(stored))
    }
}

impl FromRequestParts<Arc<App>> for OwnedJob {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self> {
        let Bearer(access) = Bearer::from_request_parts(parts, app).await?;
        let id = id(parts, app, "job").await?;
        let stored = app.engine.store.job(id).await?.ok_or_else(|| Problem::not_found("job"))?;
        access.check(stored.job.owner_id.as_ref())?;
        Ok(Self(stored))
    }
}

impl FromRequestParts<Arc<App>> for OwnedConnection {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self> {
        let Bearer(access) = Bearer::from_request_parts(parts, app).await?;
        let id = id(parts, app, "connection").await?;
        let stored = app.engine.store.connection(id).await?;
        let stored = stored.filter(|stored| stored.connection.removed_at.is_none());
        let stored = stored.ok_or_else(|| Problem::not_found("connection"))?;
        access.check(Some(&stored.connection.user_id))?;
        Ok(Self(stored))
    }
}

impl FromRequestParts<Arc<App>> for OwnedRegistration {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self> {
        let Bearer(access) = Bearer::from_request_parts(parts, app).await?;
        let none = || Problem::not_found("registration");
        let path = Path::<(String, String)>::from_request_parts(parts, app).await;
        let Path((connection, registration)) = path.map_err(|_| none())?;
        let (Ok(connection), Ok(registration)) = (connection.parse(), registration.parse()) else {
            return Err(none());
        };
        let stored = app.engine.store.connection(connection).await?;
        let stored = stored.filter(|stored| stored.connection.removed_at.is_none()).ok_or_else(none)?;
        access.check(Some(&stored.connection.user_id))?;
        let found = app.engine.store.registration(registration).await?;
        let is_of_it = |found: &StoredRegistration| found.registration.basis == Basis::Connection(connection);
        Ok(Self(stored, found.filter(is_of_it).ok_or_else(none)?))
    }
}

impl FromRequestParts<Arc<App>> for OwnedConversation {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self> {
        let Bearer(access) = Bearer::from_request_parts(parts, app).await?;
        let id = id(parts, app, "conversation").await?;
        let stored = app.engine.store.conversation(id).await?;
        let stored = stored.ok_or_else(|| Problem::not_found("conversation"))?;
        access.check(Some(&stored.conversation.user_id))?;
        Ok(Self(stored))
    }
}

impl FromRequestParts<Arc<App>> for OwnedMessage {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self> {
        let Bearer(access) = Bearer::from_request_parts(parts, app).await?;
        let none = || Problem::not_found("message");
        let path = Path::<(String, String)>::from_request_parts(parts, app).await;
        let Path((conversation, message)) = path.map_err(|_| none())?;
        let (Ok(conversation), Ok(message)) = (conversation.parse(), message.parse()) else {
            return Err(none());
        };
        let stored = app.engine.store.conversation(conversation).await?.ok_or_else(none)?;
        access.check(Some(&stored.conversation.user_id))?;
        let found = app.engine.store.message(message).await?;
        let is_in_it =
            |found: &StoredMessage| found.message.is_known && found.message.conversation_id == conversation;
        Ok(Self(stored, found.filter(is_in_it).ok_or_else(none)?))
    }
}

impl FromRequestParts<Arc<App>> for OwnedEmail {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self> {
        let Bearer(access) = Bearer::from_request_parts(parts, app).await?;
        let id = id(parts, app, "email").await?;
        let stored = app.engine.store.email(id).await?.ok_or_else(|| Problem::not_found("email"))?;
        access.check(Some(&stored.email.user_id))?;
        Ok(Self(stored))
    }
}
