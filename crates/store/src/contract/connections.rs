//! Accounts, what is set up for them at providers, and what is due.

use std::time::Duration;

use domain::registration::Basis;
use domain::{Connection, Registration, Timestamp, UserId};

/// A connection with its tokens, which only the vault can open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredConnection {
    /// What everyone may see.
    pub connection: Connection,
    /// Its tokens, sealed.
    pub sealed_tokens: Vec<u8>,
    /// How often it has been written.
    pub revision: i64,
}

/// A registration with what the provider signs with, which only the vault can open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRegistration {
    /// What its user may see.
    pub registration: Registration,
    /// What the provider signs with, sealed; empty where that is none of ours.
    pub sealed_secrets: Vec<u8>,
    /// How often it has been written.
    pub revision: i64,
}

/// Which registrations are meant; what is `None` does not matter.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "the fields are those of a registration")]
pub struct RegistrationFilter {
    pub user_id: Option<UserId>,
    pub provider: Option<String>,
    pub place: Option<String>,
    pub basis: Option<Basis>,
}

/// The kind of the tasks that look after registrations at a provider. Their subjects are places, so that those of one
/// place are worked at one after the other.
#[must_use]
pub fn registration_task(provider: &str) -> String {
    format!("{REGISTRATION_TASK}{provider}")
}

/// What [`registration_task`] begins with.
pub(crate) const REGISTRATION_TASK: &str = "registration ";

/// By how much a rest must last longer than was known to be news.
pub const REST_LONGER_BY: Duration = Duration::from_secs(1);

/// When something is due for a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// What.
    pub kind: String,
    /// When; `None`: not at all. What is remembered for it then goes.
    pub at: Option<Timestamp>,
}

/// Something that is to be done once at a time, by whoever has claimed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// What is to be done.
    pub kind: String,
    /// What it is to be done to: the text of its id.
    pub subject: String,
    /// Which claim this is. The next claim, or somebody who moves the task, counts it up.
    pub turn: i64,
    /// What the last run wanted to be remembered; empty before the first.
    pub memory: String,
    /// How often somebody has rung for it when it was claimed.
    pub rings: i64,
}
