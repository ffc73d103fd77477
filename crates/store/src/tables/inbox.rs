//! Conversations and their messages, and how far the inbox has followed the log.

use domain::conversation::{Conversation, Message};
use domain::{ConversationId, MessageId, Timestamp, UserId};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::emails;
use super::tasks::call_for;
use crate::sql::{Row, Sql, Statement, Value, args};
use crate::{
    Called, InboxStep, Latest, Logged, Page, Position, Result, StoreError, StoredConversation, StoredMessage,
};

#[cfg(test)]
pub(crate) const STATEMENTS: &[&Statement] = &[
    &POSITION,
    &MOVE,
    &CREATE_CONVERSATION,
    &CHANGE_CONVERSATION,
    &CREATE_MESSAGE,
    &CHANGE_MESSAGE,
    &CONVERSATION,
    &CONVERSATIONS,
    &CONVERSATIONS_OF_USER,
    &MESSAGE,
    &MESSAGE_CALLED,
    &MESSAGES,
    &SENDING,
];

/// The condition of the index `events_inbox`, word for word, and of [`is_for_inbox`](crate::is_for_inbox).
pub(crate) const IS_FOLLOWED: &str = "(event_type >= 'unipile.m' AND event_type < 'unipile.n'
        OR event_type >= 'slack.message' AND event_type < 'slack.messagf'
        OR event_type >= 'slack.reaction_' AND event_type < 'slack.reaction`'
        OR event_type >= 'message.' AND event_type < 'message/'
        OR event_type >= 'email.' AND event_type < 'email/'
        OR event_type = 'read.mark')";

const POSITION: Statement = Statement::new("inbox_position", "SELECT position FROM inbox");

pub(crate) async fn position(sql: &impl Sql) -> Result<Position> {
    let row = sql.read_one(&POSITION, args![]).await?;
    Ok(Position(row.map_or(Ok(0), |mut row| row.int())?))
}

pub(crate) async fn read_log(
    sql: &impl Sql,
    statement: &Statement,
    after: Position,
    limit: u32,
) -> Result<Vec<Logged>> {
    let rows = sql.read(statement, args![after.0, i64::from(limit)]).await?;
    rows.into_iter().map(|mut row| row.event()).collect()
}

const MOVE: Statement = Statement::new("move_inbox", "UPDATE inbox SET position = $2 WHERE position = $1");

/// Each write is a fence; what is called for follows once all have held. Rows are written in the order of their ids, so
/// that two that write the same ones wait for each other in one order.
pub(crate) async fn keep(sql: &impl Sql, step: &InboxStep) -> Result<bool> {
    let mut statements = Vec::new();
    statements.extend(step.moved.map(|(from, to)| (MOVE, args![from.0, to.0])));
    let mut conversations: Vec<_> = step.conversations.iter().collect();
    conversations.sort_unstable_by_key(|stored| stored.conversation.id);
    for stored in conversations {
        statements.push(write_conversation(stored)?);
    }
    let mut messages: Vec<_> = step.messages.iter().collect();
    messages.sort_unstable_by_key(|stored| stored.message.id);
    for stored in messages {
        statements.push(write_message(stored)?);
    }
    let mut mails: Vec<_> = step.emails.iter().collect();
    mails.sort_unstable_by_key(|stored| stored.email.id);
    for stored in mails {
        statements.push(emails::write(stored)?);
    }
    let fences = statements.len();
    let call = |called: &Called| call_for(&called.kind, &called.subject, called.at);
    statements.extend(step.called.iter().map(call));
    sql.write_fenced(fences, statements).await
}

const CREATE_CONVERSATION: Statement = Statement::new(
    "create_conversation",
    "INSERT INTO conversations (id, last_message_at, document, user_id, revision) VALUES ($1, $2, $3, $4, 1)
     ON CONFLICT DO NOTHING",
);
const CHANGE_CONVERSATION: Statement = Statement::new(
    "change_conversation",
    "UPDATE conversations SET last_message_at = $2, document = $3, revision = revision + 1
     WHERE id = $1 AND revision = $4",
);

fn write_conversation(stored: &StoredConversation) -> Result<(Statement, Vec<Value>)> {
    let conversation = &stored.conversation;
    let mut args = args![Value::id(conversation.id), stored.place().at.as_micros(), document(conversation)?];
    Ok(if stored.revision == 0 {
        args.push(conversation.user_id.as_str().into());
        (CREATE_CONVERSATION, args)
    } else {
        args.push(stored.revision.into());
        (CHANGE_CONVERSATION, args)
    })
}

const CREATE_MESSAGE: Statement = Statement::new(
    "create_message",
    "INSERT INTO messages (id, provider_id, is_known, is_sending, occurred_at, document, conversation_id, revision)
     VALUES ($1, $2, $3, $4, $5, $6, $7, 1) ON CONFLICT DO NOTHING",
);
const CHANGE_MESSAGE: Statement = Statement::new(
    "change_message",
    "UPDATE messages
     SET provider_id = $2, is_known = $3, is_sending = $4, occurred_at = $5, document = $6, revision = revision + 1
     WHERE id = $1 AND revision = $7",
);

fn write_message(stored: &StoredMessage) -> Result<(Statement, Vec<Value>)> {
    let message = &stored.message;
    let mut args = args![
        Value::id(message.id),
        message.provider_id.as_deref(),
        message.is_known,
        message.is_sending,
        message.occurred_at.as_micros(),
        document(message)?,
    ];
    Ok(if stored.revision == 0 {
        args.push(Value::id(message.conversation_id));
        (CREATE_MESSAGE, args)
    } else {
        args.push(stored.revision.into());
        (CHANGE_MESSAGE, args)
    })
}

pub(super) fn document(of: &impl Serialize) -> Result<String> {
    serde_json::to_string(of).map_err(|error| StoreError::Refused(error.to_string()))
}

pub(super) fn read<T: DeserializeOwned>(row: &mut Row) -> Result<(T, i64)> {
    let document = row.text()?;
    let read = serde_json::from_str(&document).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    Ok((read, row.int()?))
}

fn read_conversation(mut row: Row) -> Result<StoredConversation> {
    let (conversation, revision): (Conversation, _) = read(&mut row)?;
    Ok(StoredConversation { conversation, revision })
}

fn read_message(mut row: Row) -> Result<StoredMessage> {
    let (message, revision): (Message, _) = read(&mut row)?;
    Ok(StoredMessage { message, revision })
}

const CONVERSATION: Statement =
    Statement::new("conversation", "SELECT document, revision FROM conversations WHERE id = $1");

pub(crate) async fn conversation(sql: &impl Sql, id: ConversationId) -> Result<Option<StoredConversation>> {
    sql.read_one(&CONVERSATION, args![Value::id(id)]).await?.map(read_conversation).transpose()
}

const CONVERSATIONS: Statement = Statement::new(
    "conversations",
    "SELECT document, revision FROM conversations WHERE (last_message_at, id) < ($1, $2)
     ORDER BY last_message_at DESC, id DESC LIMIT $3",
);
const CONVERSATIONS_OF_USER: Statement = Statement::new(
    "conversations_of_user",
    "SELECT document, revision FROM conversations WHERE (last_message_at, id) < ($1, $2) AND user_id = $4
     ORDER BY last_message_at DESC, id DESC LIMIT $3",
);

pub(crate) async fn conversations(
    sql: &impl Sql,
    user: Option<&UserId>,
    page: &Page<Latest<ConversationId>>,
) -> Result<Vec<StoredConversation>> {
    let mut args = place(page);
    let statement = match user {
        Some(user) => {
            args.push(user.as_str().into());
            &CONVERSATIONS_OF_USER
        }
        None => &CONVERSATIONS,
    };
    sql.read(statement, args).await?.into_iter().map(read_conversation).collect()
}

/// Where a page begins, and its length. The first begins after all that can be.
pub(super) fn place<Id: Copy + Into<[u8; 16]>>(page: &Page<Latest<Id>>) -> Vec<Value> {
    let end = (Timestamp::from_micros(i64::MAX), [0xff; 16]);
    let (at, id) = page.before.map_or(end, |before| (before.at, before.id.into()));
    args![at.as_micros(), Value::id(id), i64::from(page.limit)]
}

const MESSAGE: Statement = Statement::new("message", "SELECT document, revision FROM messages WHERE id = $1");

pub(crate) async fn message(sql: &impl Sql, id: MessageId) -> Result<Option<StoredMessage>> {
    sql.read_one(&MESSAGE, args![Value::id(id)]).await?.map(read_message).transpose()
}

const MESSAGE_CALLED: Statement = Statement::new(
    "message_called",
    "SELECT document, revision FROM messages WHERE conversation_id = $1 AND provider_id = $2",
);

pub(crate) async fn message_called(
    sql: &impl Sql,
    conversation: ConversationId,
    provider_id: &str,
) -> Result<Option<StoredMessage>> {
    let args = args![Value::id(conversation), provider_id];
    sql.read_one(&MESSAGE_CALLED, args).await?.map(read_message).transpose()
}

const MESSAGES: Statement = Statement::new(
    "messages",
    "SELECT document, revision FROM messages
     WHERE (occurred_at, id) < ($1, $2) AND conversation_id = $4 AND is_known = 1
     ORDER BY occurred_at DESC, id DESC LIMIT $3",
);

pub(crate) async fn messages(
    sql: &impl Sql,
    conversation: ConversationId,
    page: &Page<Latest<MessageId>>,
) -> Result<Vec<StoredMessage>> {
    let mut args = place(page);
    args.push(Value::id(conversation));
    sql.read(&MESSAGES, args).await?.into_iter().map(read_message).collect()
}

const SENDING: Statement = Statement::new(
    "sending_messages",
    "SELECT document, revision FROM messages WHERE conversation_id = $1 AND is_sending = 1 ORDER BY id LIMIT $2",
);

pub(crate) async fn sending(
    sql: &impl Sql,
    conversation: ConversationId,
    limit: u32,
) -> Result<Vec<StoredMessage>> {
    let args = args![Value::id(conversation), i64::from(limit)];
    sql.read(&SENDING, args).await?.into_iter().map(read_message).collect()
}
