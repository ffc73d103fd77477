//! What bounds the engine. Each queue, batch and wait takes its limit from here, with its reason.

use std::time::Duration;

/// Appends that wait for the next commit. Beyond it callers wait in line, which is what slows a flood down.
pub const APPENDS_WAITING_MAX: usize = 8_192;

/// Appends in one commit. A batch this large costs a few milliseconds; a larger one would only make its first wait.
pub const APPENDS_PER_COMMIT_MAX: usize = 512;

/// Commits under way on a store that several nodes share. While one waits for the server's disk, the other is sent; a third
/// would only wait for the second. On SQLite there is one: two would be two smaller batches for the same thread.
pub const COMMITS_AT_ONCE: usize = 2;

/// Bytes of events in one commit, so that a few large bodies do not hold up many small ones.
pub const COMMIT_BYTES_MAX: usize = 8 * 1_024 * 1_024;

/// How long a request waits for its commit before it is told to come back.
pub const APPEND_TIMEOUT: Duration = Duration::from_secs(10);

/// Deliveries that a node holds claimed in memory, over all subscriptions. The rest waits in the store.
pub const CLAIMED_MAX: usize = 16_384;

/// Deliveries that a node holds claimed in memory for one subscription that takes them well.
pub const LANE_ROOM_MAX: usize = 1_024;

/// How long a claim lasts. Nobody waits for it: the death of a node is noticed within seconds. It stands against a
/// delivery that a living node has lost sight of.
pub const CLAIM_LASTS: Duration = Duration::from_secs(3_600);

/// Settled deliveries that wait to be written.
pub const SETTLED_WAITING_MAX: usize = 4_096;

/// Settled deliveries written at once.
pub const SETTLED_PER_WRITE_MAX: usize = 512;

/// How long a settled delivery waits for others to be written with it. Nobody waits for it but the statistics.
pub const SETTLE_LINGERS: Duration = Duration::from_millis(10);

/// News of our own work that waits to be written.
pub const NEWS_WAITING_MAX: usize = 1_024;

/// How long until a write that failed is tried again.
pub const STORE_RETRY_AFTER: Duration = Duration::from_millis(250);

/// How often the store is asked what is due: every wake-up may be lost, and other nodes leave work behind.
pub const DUE_POLL_EVERY: Duration = Duration::from_secs(1);

/// The shortest time between two looks at what is due, so that a thousand retries in one second are a few looks.
pub const DUE_POLL_AT_MOST_EVERY: Duration = Duration::from_millis(20);

/// Replaced keys of a subscription that sign beside the newest. Whoever replaces a key more often than receivers follow
/// does not wait for them.
pub const FORMER_KEYS_MAX: usize = 4;

/// How long a transform waits for its turn. Beyond it the attempt has failed and is made again later.
pub const TRANSFORM_WAIT_MAX: Duration = Duration::from_secs(30);

/// How often a node says that it lives.
pub const BEAT_EVERY: Duration = Duration::from_secs(1);

/// A node whose beat has stood still for so long is dead. Ten beats: a database that stops for a while kills nobody.
pub const DEAD_AFTER: Duration = Duration::from_secs(10);

/// Lapsed deliveries taken back in one go.
pub const LAPSED_PER_SWEEP_MAX: u32 = 1_000;

/// How long the removal of a batch of what is old should take at most. Whoever writes meanwhile waits for so long.
pub const REMOVAL_TAKES: Duration = Duration::from_millis(20);

/// Rows that are removed at once, however quickly it goes.
pub const REMOVED_AT_ONCE_MAX: u32 = 512;

/// The shortest and the longest time between two looks for what is old.
pub const SWEEP_EVERY_AT_LEAST: Duration = Duration::from_secs(1);
/// See [`SWEEP_EVERY_AT_LEAST`].
pub const SWEEP_EVERY_AT_MOST: Duration = Duration::from_secs(60);

/// The shortest and the longest time between two looks at what is watched. Each asks the store what waits.
pub const ALERTS_LOOKED_AT_AT_LEAST_EVERY: Duration = Duration::from_millis(200);
/// See [`ALERTS_LOOKED_AT_AT_LEAST_EVERY`].
pub const ALERTS_LOOKED_AT_AT_MOST_EVERY: Duration = Duration::from_secs(60);

/// Bytes of an answer that are read. A receiver that has more to say is no receiver of webhooks.
pub const RESPONSE_BYTES_MAX: usize = 1_024 * 1_024;

/// Bytes of an answer's status line and headers.
pub const RESPONSE_HEAD_BYTES_MAX: usize = 64 * 1_024;

/// Bytes of an answer's headers that are kept for people to see.
pub const RESPONSE_HEADERS_KEPT_MAX: usize = 8 * 1_024;

/// Bytes of an answer to a batch, and of its headers, that each of its deliveries keeps at the least. They share what a
/// single one would keep.
pub const ANSWER_BYTES_KEPT_LEAST: usize = 256;

/// Connections kept open to one receiver while nothing is sent.
pub const IDLE_CONNECTIONS_PER_HOST_MAX: usize = 256;

/// How long an idle connection is kept. Shorter than most receivers' own limit, so that it is rarely closed under us.
pub const IDLE_CONNECTION_KEPT: Duration = Duration::from_secs(30);

/// How long attempts may go on once the program was told to stop.
pub const SHUTDOWN_GRACE: Duration = Duration::from_secs(15);

/// Rejections that wait to be written, with up to 12 KiB each. Beyond it they are counted and dropped.
pub const REJECTIONS_WAITING_MAX: usize = 256;

/// How often rejections are written, [`store::REJECTIONS_PER_CALL_MAX`] at once. Nobody waits for them; a flood of them
/// costs one small statement in this time.
pub const REJECTIONS_WRITTEN_EVERY: Duration = Duration::from_millis(500);

/// Rejections that are kept. With 12 KiB each they take 120 MiB at the worst.
pub const REJECTIONS_KEPT_MAX: u32 = 10_000;

/// How often old rejections are forgotten. In between no more are written than half as many as are kept.
pub const REJECTIONS_FORGOTTEN_EVERY: Duration = Duration::from_secs(30);

/// Bytes of a document that requests are checked against. Key sets and certificates stay below 8 KiB.
pub const DOCUMENT_BYTES_MAX: usize = 64 * 1_024;

/// How long fetching one may take. A sender waits for it meanwhile, and most wait for ten seconds.
pub const DOCUMENT_FETCH_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a document is kept whose server does not say.
pub const DOCUMENT_KEPT: Duration = Duration::from_secs(3_600);

/// The least that a document is kept, whatever its server says.
pub const DOCUMENT_KEPT_LEAST: Duration = Duration::from_secs(60);

/// How old a document is at the least when it is fetched again for a key that is not in it. Anybody can name such a key,
/// but the fetches of a minute are counted too.
pub const DOCUMENT_REFETCHED_AFTER: Duration = Duration::from_secs(1);

/// The most that a document is kept, so that a key that was withdrawn is not believed for longer.
pub const DOCUMENT_KEPT_MOST: Duration = Duration::from_secs(24 * 3_600);

/// How long a failure counts. Whoever sends meanwhile is told to come back.
pub const DOCUMENT_FAILURE_REMEMBERED: Duration = Duration::from_secs(5);

/// Documents that are remembered.
pub const DOCUMENTS_MAX: usize = 256;

/// Fetches from one host in a minute. Strangers choose which certificate a request names.
pub const DOCUMENT_FETCHES_PER_MINUTE_MAX: u32 = 30;

/// Hosts that are asked in one minute.
pub const DOCUMENT_HOSTS_MAX: usize = 256;

/// Documents that one request may need, and be checked against anew: a certificate or a key set, and a newer copy.
pub const DOCUMENTS_PER_REQUEST_MAX: usize = 3;

/// Fields of a form. Twilio and Mandrill send some dozens.
pub const FORM_FIELDS_MAX: usize = 1_000;

/// How often the sources of other nodes are looked at.
pub const SOURCES_REFRESHED_EVERY: Duration = Duration::from_secs(1);

/// Events or deliveries in one step of a job. Each step is one transaction of a few milliseconds, for which all other writes
/// wait.
pub const JOB_STEP_MAX: u32 = 256;

/// Events that are looked at at once where they are only counted.
pub const JOB_COUNT_STEP: u32 = 1_000;

/// Jobs that a node looks after at once, in turn. Others wait for one of them to end.
pub const JOBS_AT_ONCE_MAX: u32 = 64;

/// How often the store is asked for jobs that run: those of nodes that are gone are taken over.
pub const JOBS_POLL_EVERY: Duration = Duration::from_secs(1);

/// The longest that a job rests between two steps. It rests as long as its last step took, so that others get to write.
pub const JOB_RESTS_MAX: Duration = Duration::from_millis(500);
