//! What bounds it. Each limit that a user can meet has its name and its reason here.

/// Bytes of a user's id. Long enough for a UUID, an e-mail address or a URN.
pub const USER_ID_BYTES_MAX: usize = 128;

/// Bytes of an event type. Providers' own names stay far below it.
pub const EVENT_TYPE_BYTES_MAX: usize = 128;

/// Bytes of a sender's id for an event. The longest known is a Pub/Sub message id with its topic.
pub const DEDUPE_ID_BYTES_MAX: usize = 256;

/// Events in one publish request.
pub const PUBLISH_EVENTS_MAX: usize = 1_000;

/// Type patterns of one subscription.
pub const EVENT_TYPES_PER_SUBSCRIPTION_MAX: usize = 100;

/// Bytes of a target's URL. What browsers and proxies pass on without complaint.
pub const URL_BYTES_MAX: usize = 2_048;

/// Bytes of a description.
pub const DESCRIPTION_BYTES_MAX: usize = 1_024;

/// Retries of a delivery after its first attempt.
pub const RETRY_COUNT_MAX: u16 = 10;

/// The longest gap of a list policy: a week. What is older than that is better replayed by hand.
pub const RETRY_GAP_SECONDS_MAX: u32 = 7 * 24 * 3_600;

/// The most of a `Retry-After` that is honoured: a day. An endpoint may ask for patience, not for oblivion.
pub const RETRY_AFTER_SECONDS_MAX: u32 = 24 * 3_600;

/// Seconds that an attempt may take, from resolving the name to the last byte of the answer.
pub const TIMEOUT_SECONDS_MAX: u16 = 60;

/// Attempts that one subscription may have under way at once.
pub const MAX_CONCURRENCY_MAX: u16 = 1_000;

/// Seconds that a worker may hold what it pulled without extending.
pub const LEASE_SECONDS_MAX: u32 = 3_600;

/// How often a delivery may be found with a dead owner before it is given up. It stands against an event that kills
/// the process whenever it is attempted: that event must not do so for ever.
pub const LAPSES_MAX: u16 = 20;

/// Bytes of an answer that are kept for the person who looks at the attempt.
pub const RESPONSE_EXCERPT_BYTES_MAX: usize = 16 * 1_024;

/// Nesting of JSON. Deeper documents exhaust the stacks of the programs that read them.
pub const JSON_DEPTH_MAX: usize = 128;

/// Bytes of the text of an error that is kept.
pub const ERROR_BYTES_MAX: usize = 1_024;
