-- Ids are sixteen bytes that sort by time, without the prefix that their column stands for. States are text, times are
-- microseconds since the Unix epoch, JSON is text as it came.

-- In one row: the version of the set of subscriptions; a position that the log is never to fall below when its newest
-- events are removed (its head is the newest event, or that); and the position up to which dedupe keys are indexed.
CREATE TABLE log (
    only_row        INTEGER PRIMARY KEY CHECK (only_row = 1),
    position        INTEGER NOT NULL,
    routes_version  INTEGER NOT NULL,
    keys_indexed_to INTEGER NOT NULL
) STRICT;
INSERT INTO log VALUES (1, 0, 0, 0);

CREATE TABLE events (
    position    INTEGER PRIMARY KEY,
    id          BLOB NOT NULL,
    event_type  TEXT NOT NULL,
    user_id     TEXT,
    source      TEXT NOT NULL,
    provider    TEXT,
    occurred_at INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    dedupe_key  BLOB,
    data        TEXT NOT NULL,
    raw         BLOB
) STRICT;
-- Ids begin with the time of receipt, so these serve every list by time as well.
CREATE UNIQUE INDEX events_id ON events (id);
CREATE INDEX events_user ON events (user_id, id);
-- A stream of one user's that is behind reads on from where it was.
CREATE INDEX events_user_log ON events (user_id, position);
CREATE INDEX events_type ON events (event_type, id);

-- Where the event of each dedupe key is. The newest keys are not here yet: the writer has them in memory, and moves them in
-- the order of the keys, so that a page is written once for many of them. A run has the keys of so many positions, so that
-- the pages to which keys go are few. Which runs may have a key, the writer knows without reading them.
CREATE TABLE dedupe_keys (
    run      INTEGER NOT NULL,
    key      BLOB NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (run, key)
) STRICT, WITHOUT ROWID;

-- In one row: the highest position that an event has been removed from. A stream that is below it may have missed something.
-- It is apart from the head of the log, which every append must move.
CREATE TABLE log_removed (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    position INTEGER NOT NULL
) STRICT;
INSERT INTO log_removed VALUES (1, 0);

CREATE TABLE idempotency (
    key        BLOB PRIMARY KEY,
    body       BLOB NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_expiry ON idempotency (expires_at);

CREATE TABLE deliveries (
    id              BLOB PRIMARY KEY,
    event_id        BLOB NOT NULL,
    event_type      TEXT NOT NULL,
    user_id         TEXT,
    owner_id        TEXT,
    subscription_id BLOB NOT NULL,
    status          TEXT NOT NULL,
    next_attempt_at INTEGER,
    claimed_by      TEXT,
    claim_deadline  INTEGER,
    attempt_count   INTEGER NOT NULL,
    max_attempts    INTEGER NOT NULL,
    lapses          INTEGER NOT NULL,
    cause           TEXT NOT NULL,
    created_at      INTEGER NOT NULL,
    completed_at    INTEGER,
    response_status INTEGER,
    error           TEXT,
    -- In which line it stands and where, for those that wait for one another. Places grow with the log.
    ordering_key    BLOB,
    place           INTEGER,
    -- What all that went in one request with it have in common.
    batch           BLOB
) STRICT, WITHOUT ROWID;
CREATE INDEX deliveries_waiting ON deliveries (subscription_id, next_attempt_at, id)
    WHERE status IN ('pending', 'retrying') AND ordering_key IS NULL;
-- Each line in its order. What stands in no line is in neither of the two.
CREATE INDEX deliveries_lines ON deliveries (subscription_id, ordering_key, place, id)
    WHERE ordering_key IS NOT NULL AND status IN ('pending', 'processing', 'retrying', 'held');
CREATE INDEX deliveries_waiting_in_line ON deliveries (subscription_id, next_attempt_at)
    WHERE ordering_key IS NOT NULL AND status IN ('pending', 'retrying');
CREATE INDEX deliveries_batches ON deliveries (subscription_id, batch)
    WHERE batch IS NOT NULL AND status IN ('pending', 'processing', 'retrying', 'held');
CREATE INDEX deliveries_processing ON deliveries (claim_deadline, subscription_id) WHERE status = 'processing';
-- Lists of what is rare, which would else walk past all that is not.
CREATE INDEX deliveries_failed ON deliveries (id) WHERE status = 'failed';
CREATE INDEX deliveries_failed_of ON deliveries (subscription_id, id) WHERE status = 'failed';
CREATE INDEX deliveries_retrying ON deliveries (id) WHERE status = 'retrying';
CREATE INDEX deliveries_cancelled ON deliveries (id) WHERE status = 'cancelled';
CREATE INDEX deliveries_held ON deliveries (id) WHERE status = 'held';
CREATE INDEX deliveries_held_of ON deliveries (subscription_id, status) WHERE status = 'held';
CREATE INDEX deliveries_event ON deliveries (event_id);
CREATE INDEX deliveries_subscription ON deliveries (subscription_id, id);
CREATE INDEX deliveries_owner ON deliveries (owner_id, id) WHERE owner_id IS NOT NULL;

CREATE TABLE attempts (
    delivery_id      BLOB NOT NULL,
    number           INTEGER NOT NULL,
    at               INTEGER NOT NULL,
    cause            TEXT NOT NULL,
    duration_us      INTEGER NOT NULL,
    response_status  INTEGER,
    response_headers TEXT,
    response_body    BLOB,
    error            TEXT,
    error_code       TEXT,
    PRIMARY KEY (delivery_id, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE subscriptions (
    id         BLOB PRIMARY KEY,
    user_id    TEXT,
    target     TEXT NOT NULL,
    address    TEXT NOT NULL,
    terms      TEXT NOT NULL,
    is_active  INTEGER NOT NULL,
    paused     INTEGER NOT NULL,
    sealed_key BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    -- Counts changes: whoever changes a subscription names the revision they have seen.
    revision   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX subscriptions_user ON subscriptions (user_id, id);

-- Which subscription each of the last versions of the routes is about: who knows an older one reads these alone.
CREATE TABLE route_changes (
    version         INTEGER PRIMARY KEY,
    subscription_id BLOB NOT NULL
) STRICT;

-- Apart from the subscription, since it changes with every batch of deliveries.
CREATE TABLE subscription_statistics (
    subscription_id  BLOB PRIMARY KEY,
    successful       INTEGER NOT NULL,
    failed           INTEGER NOT NULL,
    cancelled        INTEGER NOT NULL,
    last_delivery_at INTEGER,
    last_success_at  INTEGER,
    last_failure_at  INTEGER,
    -- When the first attempt failed at the endpoint since one last succeeded.
    failing_since    INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX subscription_statistics_failing ON subscription_statistics (failing_since)
    WHERE failing_since IS NOT NULL;

-- What became of deliveries, hour by hour. A reader asks for a span of hours, so these come first.
CREATE TABLE delivery_hours (
    hour            INTEGER NOT NULL,
    subscription_id BLOB NOT NULL,
    successful      INTEGER NOT NULL,
    failed          INTEGER NOT NULL,
    attempts        INTEGER NOT NULL,
    errors          INTEGER NOT NULL,
    answers         INTEGER NOT NULL,
    answer_us       INTEGER NOT NULL,
    answer_us_max   INTEGER NOT NULL,
    -- At the last look within the hour.
    owed            INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (hour, subscription_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE nodes (
    id   BLOB PRIMARY KEY,
    beat INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE api_keys (
    id         BLOB PRIMARY KEY,
    name       TEXT NOT NULL,
    user_id    TEXT,
    digest     BLOB NOT NULL UNIQUE,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What the door has refused. It is a ring: the oldest go by age and by number.
CREATE TABLE rejections (
    id      BLOB PRIMARY KEY,
    at      INTEGER NOT NULL,
    route   TEXT NOT NULL,
    source  TEXT,
    address TEXT NOT NULL,
    reason  TEXT NOT NULL,
    detail  TEXT NOT NULL,
    headers TEXT NOT NULL,
    body    BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Those that somebody has described, besides those that the program knows. An owner of '' is everyone.
CREATE TABLE event_types (
    owner       TEXT NOT NULL,
    event_type  TEXT NOT NULL,
    description TEXT NOT NULL,
    example     TEXT,
    data_schema TEXT,
    created_at  INTEGER NOT NULL,
    PRIMARY KEY (owner, event_type)
) STRICT, WITHOUT ROWID;

-- Tokens are digests; no bytes are no token.
CREATE TABLE sources (
    id             BLOB PRIMARY KEY,
    user_id        TEXT,
    name           TEXT NOT NULL,
    terms          TEXT NOT NULL,
    is_active      INTEGER NOT NULL,
    sealed_keys    BLOB NOT NULL,
    token          BLOB NOT NULL UNIQUE,
    previous_token BLOB NOT NULL,
    previous_until INTEGER NOT NULL,
    created_at     INTEGER NOT NULL,
    updated_at     INTEGER NOT NULL,
    revision       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sources_user ON sources (user_id, id);

-- One row. The sum of all revisions is the version of the sources; what the removed ones had goes on counting.
CREATE TABLE removed_sources (revisions INTEGER NOT NULL) STRICT;
INSERT INTO removed_sources (revisions) VALUES (0);

-- A user's account at a provider. A time of 0 is none.
CREATE TABLE connections (
    id            BLOB PRIMARY KEY,
    user_id       TEXT NOT NULL,
    provider      TEXT NOT NULL,
    account_id    TEXT NOT NULL,
    state         TEXT NOT NULL,
    state_reason  TEXT,
    scopes        TEXT NOT NULL,
    expires_at    INTEGER NOT NULL,
    authorized_at INTEGER NOT NULL,
    refresh       TEXT NOT NULL,
    settings      TEXT NOT NULL,
    last_sync_at  INTEGER NOT NULL,
    -- It stays until what was registered for it is gone.
    removed_at    INTEGER NOT NULL,
    sealed_tokens BLOB NOT NULL,
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL,
    revision      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX connections_account ON connections (provider, account_id, user_id) WHERE removed_at = 0;
CREATE INDEX connections_user ON connections (user_id, id);

-- What is set up at a provider so that it pushes. A basis of '' is the application. A time of 0 is none.
CREATE TABLE registrations (
    id             BLOB PRIMARY KEY,
    user_id        TEXT,
    provider       TEXT NOT NULL,
    basis          TEXT NOT NULL,
    target         TEXT NOT NULL,
    url            TEXT NOT NULL,
    place          TEXT NOT NULL,
    events         TEXT NOT NULL,
    config         TEXT,
    external_id    TEXT,
    state          TEXT NOT NULL,
    state_reason   TEXT,
    progress       TEXT NOT NULL,
    expires_at     INTEGER NOT NULL,
    due_at         INTEGER NOT NULL,
    created_at     INTEGER NOT NULL,
    updated_at     INTEGER NOT NULL,
    sealed_secrets BLOB NOT NULL,
    revision       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX registrations_basis ON registrations (basis, provider, place);
CREATE INDEX registrations_place ON registrations (provider, place);
CREATE INDEX registrations_user ON registrations (user_id, id);

-- What is to be done once at a time. A claim moves the due time to its own deadline, so that a task whose claimant has died
-- falls due by itself, and counts the turn up, which is the fence.
CREATE TABLE tasks (
    kind    TEXT NOT NULL,
    subject TEXT NOT NULL,
    due_at  INTEGER NOT NULL,
    turn    INTEGER NOT NULL,
    memory  TEXT NOT NULL,
    -- 1: somebody has claimed it, until due_at.
    is_claimed INTEGER NOT NULL,
    -- How often it was rung for since whoever has done it last had claimed it.
    rings   INTEGER NOT NULL,
    PRIMARY KEY (kind, subject)
) STRICT, WITHOUT ROWID;
CREATE INDEX tasks_due ON tasks (kind, due_at);
CREATE INDEX tasks_subject ON tasks (subject);

-- Kinds of tasks of which none is claimed until then, and what they rest for.
CREATE TABLE rests (
    kind  TEXT PRIMARY KEY,
    until INTEGER NOT NULL,
    cause TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- What may be used once and was, until it would not be good any more.
CREATE TABLE spent (
    digest     BLOB PRIMARY KEY,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX spent_expiry ON spent (expires_at);

-- Work that goes on for a while. Zeros are nobody, and the beginning; -1 is what nobody has counted.
CREATE TABLE jobs (
    id          BLOB PRIMARY KEY,
    owner_id    TEXT,
    work        TEXT NOT NULL,
    state       TEXT NOT NULL,
    total       INTEGER NOT NULL,
    done        INTEGER NOT NULL,
    failed      INTEGER NOT NULL,
    error       TEXT,
    created_at  INTEGER NOT NULL,
    finished_at INTEGER NOT NULL,
    node        BLOB NOT NULL,
    cursor      BLOB NOT NULL,
    revision    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX jobs_owner ON jobs (owner_id, id);
CREATE INDEX jobs_running ON jobs (id) WHERE state = 'running';

-- In one row: how far the inbox has followed the log.
CREATE TABLE inbox (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    position INTEGER NOT NULL
) STRICT;
INSERT INTO inbox VALUES (1, 0);
-- What it follows, in the order of the log. All else is not in here, and costs it nothing. The statement that reads it has the
-- same words.
CREATE INDEX events_inbox ON events (position)
    WHERE (event_type >= 'unipile.m' AND event_type < 'unipile.n'
        OR event_type >= 'slack.message' AND event_type < 'slack.messagf'
        OR event_type >= 'slack.reaction_' AND event_type < 'slack.reaction`'
        OR event_type >= 'message.' AND event_type < 'message/'
        OR event_type >= 'email.' AND event_type < 'email/'
        OR event_type = 'read.mark');

-- The document is the whole of it; the columns beside it are what it is found by. A time of 0 is none.
CREATE TABLE conversations (
    id              BLOB PRIMARY KEY,
    user_id         TEXT NOT NULL,
    last_message_at INTEGER NOT NULL,
    document        TEXT NOT NULL,
    revision        INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX conversations_user ON conversations (user_id, last_message_at, id);
CREATE INDEX conversations_latest ON conversations (last_message_at, id);

-- One that has not come in yet, but of which something is known already, is in no list.
CREATE TABLE messages (
    id              BLOB PRIMARY KEY,
    conversation_id BLOB NOT NULL,
    provider_id     TEXT,
    is_known        INTEGER NOT NULL,
    is_sending      INTEGER NOT NULL,
    occurred_at     INTEGER NOT NULL,
    document        TEXT NOT NULL,
    revision        INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX messages_provider ON messages (conversation_id, provider_id) WHERE provider_id IS NOT NULL;
CREATE INDEX messages_latest ON messages (conversation_id, occurred_at, id) WHERE is_known = 1;
CREATE INDEX messages_sending ON messages (conversation_id, id) WHERE is_sending = 1;

CREATE TABLE emails (
    id          BLOB PRIMARY KEY,
    user_id     TEXT NOT NULL,
    provider_id TEXT NOT NULL,
    thread_id   TEXT NOT NULL,
    date        INTEGER NOT NULL,
    document    TEXT NOT NULL,
    revision    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX emails_user ON emails (user_id, date, id);
CREATE INDEX emails_thread ON emails (user_id, thread_id, date, id);
CREATE INDEX emails_provider ON emails (user_id, provider_id);
CREATE INDEX emails_latest ON emails (date, id);
