//! What bounds the engine. Each queue, batch and wait takes its limit from here, with its reason.

use std::time::Duration;

/// Appends that wait for the next commit. Beyond it callers wait in line, which is what slows a flood down.
pub const APPENDS_WAITING_MAX: usize = 8_192;

/// Appends in one commit. A batch this large costs a few milliseconds; a larger one would only make its first wait.
pub const APPENDS_PER_COMMIT_MAX: usize = 512;

/// Appends that are not worth two commits.
pub const APPENDS_PER_COMMIT_WHOLE: usize = 16;

/// Bytes of events in one commit, so that a few large bodies do not hold up many small ones.
pub const COMMIT_BYTES_MAX: usize = 8 * 1_024 * 1_024;

/// How long a request waits for the next commit, and how long for the commit that it is in, before it is told to come back.
/// Whoever commits keeps the time: timers are entered under a lock that all threads share, and requests are many.
pub const APPEND_TIMEOUT: Duration = Duration::from_secs(10);

/// While a commit takes longer than that: how often those who have waited too long behind it are told.
pub const LATE_LOOKED_FOR_EVERY: Duration = Duration::from_millis(500);

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

/// How long a settled delivery waits for others to be written with it. Nobody waits for it but the statistics: one that
/// others stand in line behind is written at once.
pub const SETTLE_LINGERS: Duration = Duration::from_millis(20);

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

/// Steps of filters that are taken over one event in the task of whoever brings it: some 0.3 ms at the worst, in which
/// ordinary filters answer. The rest is done in turns.
pub const MATCHED_AT_ONCE_STEPS: usize = 2_000;

/// Bytes of an event's data that are read as a document there, in which most senders' events fit.
pub const MATCHED_AT_ONCE_BYTES_MAX: usize = 64 * 1_024;

/// Steps that all filters together may take over one event: ten of the worst, or thousands of ordinary ones.
pub const MATCHING_STEPS_MAX: usize = 10 * domain::limits::FILTER_STEPS_MAX;

/// How long a request waits for filters, and for their turns. It is half of what it waits for its commit in all: an
/// event is kept whatever filters do.
pub const MATCHING_WAIT_MAX: Duration = Duration::from_secs(5);

/// How often a node says that it lives.
pub const BEAT_EVERY: Duration = Duration::from_secs(1);

/// A node whose beat has stood still for so long is dead. Ten beats: a database that stops for a while kills nobody.
pub const DEAD_AFTER: Duration = Duration::from_secs(10);

/// Lapsed deliveries taken back in one go.
pub const LAPSED_PER_SWEEP_MAX: u32 = 1_000;

/// How long the removal of a batch of what is old should take at most, where whoever writes meanwhile waits for so
/// long.
pub const REMOVAL_TAKES: Duration = Duration::from_millis(1);

/// The same on a store that several nodes share, where nobody waits for it and each batch is a way there and back.
pub const REMOVAL_TAKES_SHARED: Duration = Duration::from_millis(20);

/// The same while no events come in: the first that does waits for so long once.
pub const REMOVAL_TAKES_ALONE: Duration = Duration::from_millis(5);

/// Where none has come in for so long, none are coming in.
pub const REMOVAL_ALONE_AFTER: Duration = Duration::from_secs(1);

/// The pause after a batch is so many times as long as it took, while events come in: the removal may take a hundredth of
/// the time of whoever writes, so that hardly one event in a hundred finds a batch before it.
pub const REMOVAL_PAUSES: u32 = 99;

/// The longest such pause. A batch that took longer has waited for its turn, and the next will not.
pub const REMOVAL_PAUSE_MAX: Duration = Duration::from_millis(100);

/// A sweep that has lasted for so long removes less than comes in; from then on its pauses are as long as its batches.
pub const REMOVAL_HURRIES_AFTER: Duration = Duration::from_secs(3_600);

/// Rows that are removed at once, however long or quickly it goes.
pub const REMOVED_AT_ONCE_MIN: u32 = 16;
/// See [`REMOVED_AT_ONCE_MIN`].
pub const REMOVED_AT_ONCE_MAX: u32 = 512;

/// How long it is known what became of deliveries hour by hour: a quarter of a year, so that a month can be held
/// against the one before.
pub const HOURS_KEPT_FOR: Duration = Duration::from_secs(92 * 86_400);

/// How often it is noted what is owed. A look reads the index of what waits, whatever stands in it.
pub const OWED_NOTED_EVERY: Duration = Duration::from_secs(300);

/// The shortest and the longest time between two looks for what is old.
pub const SWEEP_EVERY_AT_LEAST: Duration = Duration::from_secs(1);
/// See [`SWEEP_EVERY_AT_LEAST`].
pub const SWEEP_EVERY_AT_MOST: Duration = Duration::from_secs(60);

/// Subscriptions that are deactivated in one go since they have failed for too long.
pub const DEACTIVATED_AT_ONCE_MAX: u32 = 100;

/// The longest time between two looks for them; the shortest is [`DUE_POLL_EVERY`].
pub const DEACTIVATED_AT_MOST_EVERY: Duration = Duration::from_secs(60);

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

/// Connections to one receiver that are being opened at once. Those who find none idle wait for one of them, or for one that
/// is idle by then: a thousand subscriptions of one receiver open few. Many servers let 128 wait, and do not hear the next
/// for a second.
pub const CONNECTING_PER_HOST_MAX: usize = 64;

/// How long a new connection counts as being opened, unless it is answered sooner: one who answers slowly is not to hold up
/// others at the same host.
pub const CONNECTION_PROVEN_AFTER: Duration = Duration::from_millis(100);

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

/// How old a document is at the least when it is fetched again for a key that is not in it. Anybody can name such a
/// key, but the fetches of a minute are counted too.
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

/// Events or deliveries in one step of a job. Each step is one transaction of a few milliseconds, for which all other
/// writes wait.
pub const JOB_STEP_MAX: u32 = 256;

/// Bytes of the data of past events that are read together, unless the first alone has more.
pub const PAST_BYTES_MAX: u64 = 8 * 1_024 * 1_024;

/// Events that are looked at at once where they are only counted.
pub const JOB_COUNT_STEP: u32 = 1_000;

/// Jobs that a node looks after at once, in turn. Others wait for one of them to end.
pub const JOBS_AT_ONCE_MAX: u32 = 64;

/// How often the store is asked for jobs that run: those of nodes that are gone are taken over.
pub const JOBS_POLL_EVERY: Duration = Duration::from_secs(1);

/// The longest that a job rests between two steps. It rests as long as its last step took, so that others get to write.
pub const JOB_RESTS_MAX: Duration = Duration::from_millis(500);

/// Bytes of a frame that a client sends, and so of a message of a WebSocket.
pub const FRAME_BYTES_MAX: usize = 64 * 1_024;

/// How long a client may take to say `hello`.
pub const HELLO_WITHIN: Duration = Duration::from_secs(10);

/// Events that are kept in memory for those who stream them, and their bytes. One who is further behind reads the
/// store.
pub const TAIL_EVENTS_MAX: usize = 4_096;
/// See [`TAIL_EVENTS_MAX`].
pub const TAIL_BYTES_MAX: usize = 16 * 1_024 * 1_024;

/// Events that the tail takes from the store at once.
pub const TAIL_EVENTS_PER_READ: u32 = 512;

/// How often the end of a log is looked at that others write to: they do not say when they have. So late is an event at
/// another node than the one it came in at.
pub const TAIL_POLL_SHARED_EVERY: Duration = Duration::from_millis(100);

/// How often it is looked at when nobody else writes. Whoever does says so; this stands behind it.
pub const TAIL_POLL_EVERY: Duration = Duration::from_secs(1);

/// Connections that are served in one go when something is new. It takes about half a millisecond, for which everything
/// else on that thread waits; with fewer the threads would do more fetching than serving.
pub const LINES_PER_SLICE: usize = 64;

/// Events that are sent on one connection together.
pub const BATCH_EVENTS_MAX: usize = 64;

/// Bytes of the data of events that are sent together, unless the first alone has more. So much is held for a client
/// that does not read.
pub const BATCH_BYTES_MAX: usize = 256 * 1_024;

/// Connections that read from the store at once. The store serves others as well.
pub const BACKLOG_READS_MAX: usize = 4;

/// How long a client may leave what it was sent unread once its buffers, and the system's, are full.
pub const SLOW_AFTER: Duration = Duration::from_secs(5);

/// How long the last frame of a client that has not read waits for it to read after all, and what was still to be sent
/// before it: a batch.
pub const SLOW_LINGERS: Duration = Duration::from_secs(20);

/// How long a connection stays after its last frame, for the client to read it and to close.
pub const PARTING_TAKES: Duration = Duration::from_secs(4);

/// How often the keys are looked at that live connections rest on. With the time that a key is believed at the door it
/// stays below the five seconds that are promised.
pub const REVOKED_LOOKED_AT_EVERY: Duration = Duration::from_millis(1_500);

/// The time over which a server that stops sends its connections away, for each of them and at most. If all came back
/// at once, the next server would not have a quiet start.
pub const LEAVING_SPREAD_EACH: Duration = Duration::from_millis(1);
/// See [`LEAVING_SPREAD_EACH`].
pub const LEAVING_SPREAD_MAX: Duration = Duration::from_secs(4);

/// How long a user who has left counts as present: a page that is loaded again is no coming and going.
pub const PRESENCE_LINGERS: Duration = Duration::from_secs(5);

/// How often a user's typing in one conversation is passed on.
pub const TYPING_EVERY: Duration = Duration::from_secs(1);

/// Conversations in which somebody types. What is more is not passed on.
pub const TYPING_MAX: usize = 10_000;

/// Whispers that a room remembers. Whoever is further behind misses the oldest.
pub const WHISPERS_MAX: usize = 32;

/// How often a node tells the others again which users it has, and how long that is believed. Where a node was killed
/// its users have gone after this.
pub const HERE_EVERY: Duration = Duration::from_secs(10);
/// See [`HERE_EVERY`].
pub const HERE_LASTS: Duration = Duration::from_secs(30);

/// Users of other nodes that are known. Of more than that it is not known where else they are.
pub const ELSEWHERE_MAX: usize = 100_000;

/// Things that are to be told to other nodes: once who is here, of as many streams as there may be, and some more.
pub const SAYINGS_WAITING_MAX: usize = 50_000;

/// How long what is to be told to other nodes is gathered into one note. It costs the database a lock to pass one on.
pub const NOTES_GATHER_FOR: Duration = Duration::from_millis(50);

/// How long until other nodes are listened to again when they could not be heard.
pub const NOTES_LISTENED_TO_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// How often it is looked whether somebody's absence, or typing, is to be told now.
pub const EPHEMERA_EVERY: Duration = Duration::from_millis(250);

/// Bytes of a conversation's id, and of a key, that a client names.
pub const CLIENT_ID_BYTES_MAX: usize = 256;

/// How long a client's key stands for what was sent under it.
pub const CLIENT_KEY_LASTS: Duration = Duration::from_secs(24 * 3_600);

/// Bytes of an answer from a provider's API. A page of full e-mails is the largest that is asked for.
pub const API_ANSWER_BYTES_MAX: usize = 16 * 1_024 * 1_024;

/// Bytes of an answer with tokens, or with who somebody is.
pub const TOKEN_ANSWER_BYTES_MAX: usize = 256 * 1_024;

/// How long one call to a provider's API may take.
pub const API_CALL_TIMEOUT: Duration = Duration::from_secs(20);

/// How long a claimed task is left to its claimant: a call, and the writes around it, and as much again.
pub const TASK_CLAIM_LASTS: Duration = Duration::from_secs(60);

/// How often it is looked for tasks that fall due while others of their kind are under way.
pub const TASKS_LOOKED_FOR_BESIDE_OTHERS_EVERY: Duration = Duration::from_secs(1);

/// Refreshes of one provider that a node has under way at once. Few, since those are lost that are under way when a
/// node dies; a thousand take a minute even where each takes half a second.
pub const REFRESHES_AT_ONCE_MAX: usize = 8;

/// How long an application's refreshes rest once its provider does not know it. Somebody has to change the
/// configuration, which starts the program anew.
pub const APPLICATION_RESTS: Duration = Duration::from_secs(600);

/// Days before the end of a user's consent at which its user is told, the last first. The end cannot be put off.
pub const CONSENT_WARNED_DAYS: [u32; 2] = [3, 14];

/// How long a user may take to answer whether they grant access.
pub const AUTHORIZATION_TIMEOUT: Duration = Duration::from_secs(1_800);

/// Polls of one provider that a node has under way at once. They wait for the provider most of the time.
pub const POLLS_AT_ONCE_MAX: usize = 16;

/// Pages of one walk that follow each other without a rest. What comes after them is due at once, behind what waits.
pub const POLL_PAGES_MAX: usize = 200;

/// Bytes that a provider's cursor may have. A page of history whose e-mails are still to be fetched is the largest.
pub const CURSOR_BYTES_MAX: usize = 1_024 * 1_024;

/// The time between the first two tries of a poll that has failed. It doubles from there.
pub const POLL_RETRY_AFTER: Duration = Duration::from_secs(5);

/// The longest time between two tries of a poll that fails.
pub const POLL_RETRY_AFTER_MAX: Duration = Duration::from_secs(3_600);

/// Polls in a row that fail before somebody is told by the connection's state: a hiccup is nobody's business.
pub const POLL_FAILURES_UNTOLD: u16 = 3;

/// The longest time between two looks for what is to be polled: another node may have made it due.
pub const POLLS_LOOKED_AT_EVERY: Duration = Duration::from_secs(5);

/// Running jobs among which those are looked for that wait for a poll.
pub const SYNCS_LOOKED_AT_MAX: u32 = 1_000;

/// How long a sync may take before its job ends as failed.
pub const SYNC_TAKES_MAX: Duration = Duration::from_secs(3_600);

/// Bytes of a token. Microsoft's are the longest, some 4 KiB.
pub const TOKEN_BYTES_MAX: usize = 16 * 1_024;

/// Places of one provider that a node works at at once. Few: nobody waits for it, and providers count calls.
pub const REGISTRATIONS_AT_ONCE_MAX: usize = 8;

/// Calls that setting one thing up may take: pages of what is there, and what follows.
pub const REGISTERING_CALLS_MAX: usize = 30;

/// Bytes of an answer about what is set up. A page of a hundred hooks is the largest.
pub const REGISTRATION_ANSWER_BYTES_MAX: usize = 2 * 1_024 * 1_024;

/// How often the store is asked whether something is to be set up or renewed: other nodes do not say so.
pub const REGISTRATIONS_POLL_EVERY: Duration = Duration::from_secs(60);

/// Registrations of one basis, place or user that are looked at.
pub const REGISTRATIONS_READ_MAX: u32 = 1_000;

/// How long whoever asks for a registration waits to see how it goes, and how often it is looked at meanwhile: another
/// node may be the one that does it.
pub const REGISTERING_WAITED_FOR: Duration = Duration::from_secs(10);
/// See [`REGISTERING_WAITED_FOR`].
pub const REGISTRATION_LOOKED_AT_EVERY: Duration = Duration::from_millis(250);

/// Events that the inbox takes in one step, which is one transaction.
pub const INBOX_EVENTS_PER_STEP: u32 = 64;

/// How often the log is looked at for the inbox. Whoever appends something for it says so; this stands behind it.
pub const INBOX_POLL_EVERY: Duration = Duration::from_secs(1);

/// How often a change to a conversation is made again because somebody else was faster.
pub const INBOX_TRIES: usize = 20;

/// Messages of one conversation that wait to be sent and are looked at for the next.
pub const SENDING_LOOKED_AT_MAX: u32 = 1_000;

/// A user's connections that are looked through for those that a message may go by.
pub const SENDING_CONNECTIONS_MAX: u32 = 100;

/// Messages that a node sends at once, each in a conversation of its own.
pub const SENDS_AT_ONCE_MAX: usize = 8;

/// How often a provider may say that it does not take a message now.
pub const SEND_TRIES_MAX: u16 = 6;

/// How long until it is asked again; twice as long each time.
pub const SEND_RETRY_AFTER: Duration = Duration::from_secs(1);

/// How long a message whose answer was lost may take to come back as an event, from when it was sent.
pub const SEND_LOST_AFTER: Duration = Duration::from_secs(40);

/// Answers that join the thread of what they answer when that comes later than they.
pub const EMAILS_THREADED_MAX: u32 = 1_000;

/// E-mails that are read at once when words are looked for.
pub const EMAILS_PER_READ: u32 = 200;

/// E-mails that are looked through for words, the latest first.
pub const EMAILS_SEARCHED_MAX: u32 = 2_000;

/// E-mails that a search finds.
pub const EMAILS_FOUND_MAX: usize = 50;
