//! What bounds it. Each limit that a user can meet has its name and its reason here.

/// Bytes of a user's id. Long enough for a UUID, an e-mail address or a URN.
pub const USER_ID_BYTES_MAX: usize = 128;

/// Bytes of the name that a person gives to something.
pub const NAME_BYTES_MAX: usize = 128;

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

/// The highest rate limit of a subscription, in attempts per minute: the times of so many are remembered.
pub const RATE_LIMIT_PER_MINUTE_MAX: u16 = 6_000;

/// Seconds that a worker may hold what it pulled without extending.
pub const LEASE_SECONDS_MAX: u32 = 3_600;

/// Events that a worker may pull at once. What it does not get to before its lease ends has cost it an attempt.
pub const PULL_EVENTS_MAX: u32 = 100;

/// Seconds that a worker may wait for an event to pull. Proxies cut off what is silent for longer.
pub const PULL_WAIT_SECONDS_MAX: u32 = 30;

/// Bytes of a queue's name.
pub const QUEUE_BYTES_MAX: usize = 128;

/// How often a delivery may be found with a dead owner before it is given up. It stands against an event that kills
/// the process whenever it is attempted: that event must not do so for ever.
pub const LAPSES_MAX: u16 = 20;

/// Bytes of an answer that are kept for the person who looks at the attempt.
pub const RESPONSE_EXCERPT_BYTES_MAX: usize = 16 * 1_024;

/// Nesting of JSON. Deeper documents exhaust the stacks of the programs that read them.
pub const JSON_DEPTH_MAX: usize = 128;

/// Bytes of the text of an error that is kept.
pub const ERROR_BYTES_MAX: usize = 1_024;

/// Bytes of a path into an event. No provider's documents need a quarter of it.
pub const PATH_BYTES_MAX: usize = 512;

/// Bytes of an ordering key that are kept as they are; a longer one is kept as its digest.
pub const ORDERING_KEY_BYTES_MAX: usize = 256;

/// Events of a batch. What a receiver can take in within its timeout, and can be told to repeat.
pub const BATCH_EVENTS_MAX: u16 = 1_000;

/// Milliseconds for which the first of a batch waits for others. Whoever can wait for longer can as well pull.
pub const BATCH_WAIT_MS_MAX: u32 = 60_000;

/// Bytes of the data of all events in a batch. With what is around them that is below 1 MiB, which web servers take
/// unless told otherwise. An event that is larger by itself goes alone.
pub const BATCH_BYTES_MAX: usize = 512 * 1_024;

/// Bytes of a filter, written as JSON without spaces. Every node holds every filter in memory.
pub const FILTER_BYTES_MAX: usize = 16 * 1_024;

/// Nesting of a filter's conditions. People lose their way long before.
pub const FILTER_DEPTH_MAX: usize = 16;

/// Conditions of a filter: its keys, and the items of its lists. Each may be looked at for each event.
pub const FILTER_CONDITIONS_MAX: usize = 500;

/// Regexes of a filter. Compiled ones are the largest part of it.
pub const FILTER_REGEXES_MAX: usize = 8;

/// Bytes of a regex, as written and with its counted repetitions written out: `a{3}` is `aaa`. What it costs to match
/// grows with them.
pub const REGEX_BYTES_MAX: usize = 256;

/// Bytes of a compiled regex. `\w` alone takes 50 KiB, for all the letters that there are.
pub const REGEX_COMPILED_BYTES_MAX: usize = 512 * 1_024;

/// Steps that a filter may take over one event. A comparison is one; a regex takes them for the text that it reads
/// times its own length. This many take some 150 ms at the worst; an ordinary filter takes a few dozen.
pub const FILTER_STEPS_MAX: usize = 1_000_000;

/// Headers that a subscription, or its transform, may add. Together with their size it stays below what servers accept
/// by default (8 KiB).
pub const HEADERS_MAX: usize = 32;

/// Bytes of the names and values of all headers that a subscription, or its transform, adds.
pub const HEADER_BYTES_MAX: usize = 4 * 1_024;

/// Bytes of an account's id at its provider. The longest known is a mailbox, with at most 254.
pub const ACCOUNT_ID_BYTES_MAX: usize = 256;

/// Scopes of one connection.
pub const SCOPES_MAX: usize = 100;

/// The longest gap between two tries to refresh a token. A provider that is down for hours is asked again soon after.
pub const REFRESH_GAP_SECONDS_MAX: u32 = 3_600;

/// Jobs of one user, or of the operator, that run at once. Each is served in its turn, so more of them finish no
/// sooner.
pub const JOBS_RUNNING_MAX: usize = 10;

/// Events that a replay may look at. What lies in a longer span is replayed in pieces: it is counted before it begins,
/// and somebody waits for that.
pub const REPLAY_EVENTS_MAX: usize = 1_000_000;

/// Bytes of a message's content that a user sends. Providers refuse far less.
pub const MESSAGE_BYTES_MAX: usize = 32 * 1_024;

/// Bytes of what a user attaches to a message for programs, and of a conversation's words beside its name.
pub const METADATA_BYTES_MAX: usize = 16 * 1_024;

/// Reactions to one message that are remembered, withdrawn ones included. What is more is not shown.
pub const REACTIONS_MAX: usize = 1_000;

/// Bytes of the name of what is attached to a message.
pub const FILENAME_BYTES_MAX: usize = 256;

/// Bytes of a conversation's channel. It is a word.
pub const CHANNEL_BYTES_MAX: usize = 64;
