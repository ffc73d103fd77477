//! Who may come in: API keys, sources, and what was refused.

use domain::{KeyId, RejectionId, SourceId, Timestamp, UserId};

/// SHA-256 of an API key. A key has 256 random bits, so a plain digest tells nothing about it.
pub type KeyDigest = [u8; 32];

/// An API key, without the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its name for programs.
    pub id: KeyId,
    /// Its name for people.
    pub name: String,
    /// Whose things it opens; `None`: all.
    pub user_id: Option<UserId>,
    /// What is known of the key itself.
    pub digest: KeyDigest,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A request that was refused, for the operator to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// Its name; it begins with the time at which the request came in.
    pub id: RejectionId,
    /// When the request came in.
    pub at: Timestamp,
    /// Where it came in: the path, without what is secret in it.
    pub route: String,
    /// The source that it was for, as events name it; `None` where there is none.
    pub source: Option<String>,
    /// The network address that it came from.
    pub address: String,
    /// Why it was refused, for programs.
    pub reason: String,
    /// Why, in words.
    pub detail: String,
    /// Its headers, as a JSON object of texts, without secrets.
    pub headers: String,
    /// How its body begins.
    pub body: Vec<u8>,
}

/// Rejections in one call of [`Store::keep_rejections`](crate::Store::keep_rejections). They are one statement, which
/// has parameters for each.
pub const REJECTIONS_PER_CALL_MAX: usize = 64;

/// Which set of sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SourcesVersion(pub i64);

/// A custom source with its keys, which only the vault can open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSource {
    /// Its name for programs.
    pub id: SourceId,
    /// Whose events come in at it; `None`: nobody's in particular.
    pub user_id: Option<UserId>,
    /// Its name for people.
    pub name: String,
    /// How it is spoken to, as JSON.
    pub terms: String,
    /// Whether it takes requests.
    pub is_active: bool,
    /// What its requests are checked against, sealed.
    pub sealed_keys: Vec<u8>,
    /// What is known of the token in its address.
    pub token: KeyDigest,
    /// The same of the token before that, and until when it is good.
    pub previous_token: Option<(KeyDigest, Timestamp)>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// How often it has been written.
    pub revision: i64,
}
