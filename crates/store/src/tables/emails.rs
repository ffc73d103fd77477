//! E-mails.

use domain::email::Email;
use domain::{EmailId, UserId};

use super::inbox::{document, place, read};
use crate::sql::{Row, Sql, Statement, Value, args};
use crate::{Latest, Page, Result, StoredEmail};

#[cfg(test)]
pub(crate) const STATEMENTS: &[&Statement] =
    &[&CREATE, &CHANGE, &ONE, &CALLED, &LIST, &LIST_OF_USER, &LIST_OF_THREAD];

const CREATE: Statement = Statement::new(
    "create_email",
    "INSERT INTO emails (id, thread_id, date, document, user_id, provider_id, revision)
     VALUES ($1, $2, $3, $4, $5, $6, 1) ON CONFLICT DO NOTHING",
);
const CHANGE: Statement = Statement::new(
    "change_email",
    "UPDATE emails SET thread_id = $2, date = $3, document = $4, revision = revision + 1
     WHERE id = $1 AND revision = $5",
);

pub(super) fn write(stored: &StoredEmail) -> Result<(Statement, Vec<Value>)> {
    let email = &stored.email;
    let mut args =
        args![Value::id(email.id), email.thread_id.as_str(), email.date.as_micros(), document(email)?,];
    Ok(if stored.revision == 0 {
        args.extend(args![email.user_id.as_str(), email.provider_id.as_str()]);
        (CREATE, args)
    } else {
        args.push(stored.revision.into());
        (CHANGE, args)
    })
}

fn read_email(mut row: Row) -> Result<StoredEmail> {
    let (email, revision): (Email, _) = read(&mut row)?;
    Ok(StoredEmail { email, revision })
}

const ONE: Statement = Statement::new("email", "SELECT document, revision FROM emails WHERE id = $1");

pub(crate) async fn one(sql: &impl Sql, id: EmailId) -> Result<Option<StoredEmail>> {
    sql.read_one(&ONE, args![Value::id(id)]).await?.map(read_email).transpose()
}

const CALLED: Statement = Statement::new(
    "email_called",
    "SELECT document, revision FROM emails WHERE user_id = $1 AND provider_id = $2 ORDER BY id LIMIT 1",
);

pub(crate) async fn called(sql: &impl Sql, user: &UserId, provider_id: &str) -> Result<Option<StoredEmail>> {
    sql.read_one(&CALLED, args![user.as_str(), provider_id]).await?.map(read_email).transpose()
}

const LIST: Statement = Statement::new(
    "emails",
    "SELECT document, revision FROM emails WHERE (date, id) < ($1, $2) ORDER BY date DESC, id DESC LIMIT $3",
);
const LIST_OF_USER: Statement = Statement::new(
    "emails_of_user",
    "SELECT document, revision FROM emails WHERE (date, id) < ($1, $2) AND user_id = $4
     ORDER BY date DESC, id DESC LIMIT $3",
);
const LIST_OF_THREAD: Statement = Statement::new(
    "emails_of_thread",
    "SELECT document, revision FROM emails WHERE (date, id) < ($1, $2) AND user_id = $4 AND thread_id = $5
     ORDER BY date DESC, id DESC LIMIT $3",
);

pub(crate) async fn list(
    sql: &impl Sql,
    user: Option<&UserId>,
    thread_id: Option<&str>,
    page: &Page<Latest<EmailId>>,
) -> Result<Vec<StoredEmail>> {
    let mut args = place(page);
    let statement = match (user, thread_id) {
        (Some(user), Some(thread_id)) => {
            args.extend(args![user.as_str(), thread_id]);
            &LIST_OF_THREAD
        }
        (Some(user), None) => {
            args.push(user.as_str().into());
            &LIST_OF_USER
        }
        (None, _) => &LIST,
    };
    sql.read(statement, args).await?.into_iter().map(read_email).collect()
}
