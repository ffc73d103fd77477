-- Ids are UUIDs that sort by time, without the prefix that their column stands for. States are text, times are microseconds
-- since the Unix epoch, JSON is text as it came. Text is compared byte by byte (collation "C"), as SQLite does, and indexes
-- do not depend on the system's locales.

-- The head of the log, in one row: the last position given out, and the version of the set of subscriptions. Every append
-- moves it, and so does every change of a subscription; that puts the two in one order.
CREATE TABLE log (
    only_row       BIGINT PRIMARY KEY CHECK (only_row = 1),
    position       BIGINT NOT NULL,
    routes_version BIGINT NOT NULL
);
INSERT INTO log VALUES (1, 0, 0);

CREATE TABLE events (
    position    BIGINT PRIMARY KEY,
    id          UUID NOT NULL,
    event_type  TEXT COLLATE "C" NOT NULL,
    user_id     TEXT COLLATE "C",
    source      TEXT COLLATE "C" NOT NULL,
    provider    TEXT COLLATE "C",
    occurred_at BIGINT NOT NULL,
    received_at BIGINT NOT NULL,
    dedupe_key  BYTEA,
    data        TEXT COLLATE "C" NOT NULL,
    raw         BYTEA
);
-- Ids begin with the time of receipt, so these serve every list by time as well.
CREATE UNIQUE INDEX events_id ON events (id);
CREATE UNIQUE INDEX events_dedupe_key ON events (dedupe_key) WHERE dedupe_key IS NOT NULL;
CREATE INDEX events_user ON events (user_id, id);
-- A stream of one user's that is behind reads on from where it was.
CREATE INDEX events_user_log ON events (user_id, position);
CREATE INDEX events_type ON events (event_type, id);

-- In one row: the highest position that an event has been removed from. A stream that is below it may have missed something.
-- It is apart from the head of the log, which every append must move.
CREATE TABLE log_removed (
    only_row BIGINT PRIMARY KEY CHECK (only_row = 1),
    position BIGINT NOT NULL
);
INSERT INTO log_removed VALUES (1, 0);

CREATE TABLE idempotency (
    key        BYTEA PRIMARY KEY,
    body       BYTEA NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX idempotency_expiry ON idempotency (expires_at);

CREATE TABLE deliveries (
    id              UUID PRIMARY KEY,
    event_id        UUID NOT NULL,
    event_type      TEXT COLLATE "C" NOT NULL,
    user_id         TEXT COLLATE "C",
    owner_id        TEXT COLLATE "C",
    subscription_id UUID NOT NULL,
    status          TEXT COLLATE "C" NOT NULL,
    next_attempt_at BIGINT,
    claimed_by      TEXT COLLATE "C",
    claim_deadline  BIGINT,
    attempt_count   BIGINT NOT NULL,
    max_attempts    BIGINT NOT NULL,
    lapses          BIGINT NOT NULL,
    cause           TEXT COLLATE "C" NOT NULL,
    created_at      BIGINT NOT NULL,
    completed_at    BIGINT,
    response_status BIGINT,
    error           TEXT COLLATE "C",
    -- In which line it stands and where, for those that wait for one another. Places grow with the log.
    ordering_key    BYTEA,
    place           BIGINT,
    -- What all that went in one request with it have in common.
    batch           BYTEA
);
-- A delivery changes at least once, soon after it was made: room on its page keeps that cheap.
ALTER TABLE deliveries SET (fillfactor = 70);
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
    delivery_id      UUID NOT NULL,
    number           BIGINT NOT NULL,
    at               BIGINT NOT NULL,
    cause            TEXT COLLATE "C" NOT NULL,
    duration_us      BIGINT NOT NULL,
    response_status  BIGINT,
    response_headers TEXT COLLATE "C",
    response_body    BYTEA,
    error            TEXT COLLATE "C",
    error_code       TEXT COLLATE "C",
    PRIMARY KEY (delivery_id, number)
);

CREATE TABLE subscriptions (
    id         UUID PRIMARY KEY,
    user_id    TEXT COLLATE "C",
    target     TEXT COLLATE "C" NOT NULL,
    address    TEXT COLLATE "C" NOT NULL,
    terms      TEXT COLLATE "C" NOT NULL,
    is_active  BIGINT NOT NULL,
    paused     BIGINT NOT NULL,
    sealed_key BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    -- Counts changes: whoever changes a subscription names the revision they have seen.
    revision   BIGINT NOT NULL
);
CREATE INDEX subscriptions_user ON subscriptions (user_id, id);

-- Which subscription each of the last versions of the routes is about: who knows an older one reads these alone.
CREATE TABLE route_changes (
    version         BIGINT PRIMARY KEY,
    subscription_id UUID NOT NULL
);

-- Apart from the subscription, since it changes with every batch of deliveries.
CREATE TABLE subscription_statistics (
    subscription_id  UUID PRIMARY KEY,
    successful       BIGINT NOT NULL,
    failed           BIGINT NOT NULL,
    cancelled        BIGINT NOT NULL,
    last_delivery_at BIGINT,
    last_success_at  BIGINT,
    last_failure_at  BIGINT,
    -- When the first attempt failed at the endpoint since one last succeeded.
    failing_since    BIGINT
);
CREATE INDEX subscription_statistics_failing ON subscription_statistics (failing_since)
    WHERE failing_since IS NOT NULL;

-- What became of deliveries, hour by hour. A reader asks for a span of hours, so these come first.
CREATE TABLE delivery_hours (
    hour            BIGINT NOT NULL,
    subscription_id UUID NOT NULL,
    successful      BIGINT NOT NULL,
    failed          BIGINT NOT NULL,
    attempts        BIGINT NOT NULL,
    errors          BIGINT NOT NULL,
    answers         BIGINT NOT NULL,
    answer_us       BIGINT NOT NULL,
    answer_us_max   BIGINT NOT NULL,
    -- At the last look within the hour.
    owed            BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (hour, subscription_id)
);

CREATE TABLE nodes (
    id   UUID PRIMARY KEY,
    beat BIGINT NOT NULL
);

CREATE TABLE api_keys (
    id         UUID PRIMARY KEY,
    name       TEXT COLLATE "C" NOT NULL,
    user_id    TEXT COLLATE "C",
    digest     BYTEA NOT NULL UNIQUE,
    created_at BIGINT NOT NULL
);

-- What the door has refused. It is a ring: the oldest go by age and by number.
CREATE TABLE rejections (
    id      UUID PRIMARY KEY,
    at      BIGINT NOT NULL,
    route   TEXT COLLATE "C" NOT NULL,
    source  TEXT COLLATE "C",
    address TEXT COLLATE "C" NOT NULL,
    reason  TEXT COLLATE "C" NOT NULL,
    detail  TEXT COLLATE "C" NOT NULL,
    headers TEXT COLLATE "C" NOT NULL,
    body    BYTEA NOT NULL
);

-- Those that somebody has described, besides those that the program knows. An owner of '' is everyone.
CREATE TABLE event_types (
    owner       TEXT COLLATE "C" NOT NULL,
    event_type  TEXT COLLATE "C" NOT NULL,
    description TEXT COLLATE "C" NOT NULL,
    example     TEXT COLLATE "C",
    data_schema TEXT COLLATE "C",
    created_at  BIGINT NOT NULL,
    PRIMARY KEY (owner, event_type)
);

-- Tokens are digests; no bytes are no token.
CREATE TABLE sources (
    id             UUID PRIMARY KEY,
    user_id        TEXT COLLATE "C",
    name           TEXT COLLATE "C" NOT NULL,
    terms          TEXT COLLATE "C" NOT NULL,
    is_active      BIGINT NOT NULL,
    sealed_keys    BYTEA NOT NULL,
    token          BYTEA NOT NULL UNIQUE,
    previous_token BYTEA NOT NULL,
    previous_until BIGINT NOT NULL,
    created_at     BIGINT NOT NULL,
    updated_at     BIGINT NOT NULL,
    revision       BIGINT NOT NULL
);
CREATE INDEX sources_user ON sources (user_id, id);

-- One row. The sum of all revisions is the version of the sources; what the removed ones had goes on counting.
CREATE TABLE removed_sources (revisions BIGINT NOT NULL);
INSERT INTO removed_sources (revisions) VALUES (0);

-- A user's account at a provider. A time of 0 is none.
CREATE TABLE connections (
    id            UUID PRIMARY KEY,
    user_id       TEXT COLLATE "C" NOT NULL,
    provider      TEXT COLLATE "C" NOT NULL,
    account_id    TEXT COLLATE "C" NOT NULL,
    state         TEXT COLLATE "C" NOT NULL,
    state_reason  TEXT COLLATE "C",
    scopes        TEXT COLLATE "C" NOT NULL,
    expires_at    BIGINT NOT NULL,
    authorized_at BIGINT NOT NULL,
    refresh       TEXT COLLATE "C" NOT NULL,
    settings      TEXT COLLATE "C" NOT NULL,
    last_sync_at  BIGINT NOT NULL,
    -- It stays until what was registered for it is gone.
    removed_at    BIGINT NOT NULL,
    sealed_tokens BYTEA NOT NULL,
    created_at    BIGINT NOT NULL,
    updated_at    BIGINT NOT NULL,
    revision      BIGINT NOT NULL
);
CREATE UNIQUE INDEX connections_account ON connections (provider, account_id, user_id) WHERE removed_at = 0;
CREATE INDEX connections_user ON connections (user_id, id);

-- What is set up at a provider so that it pushes. A basis of '' is the application. A time of 0 is none.
CREATE TABLE registrations (
    id             UUID PRIMARY KEY,
    user_id        TEXT COLLATE "C",
    provider       TEXT COLLATE "C" NOT NULL,
    basis          TEXT COLLATE "C" NOT NULL,
    target         TEXT COLLATE "C" NOT NULL,
    url            TEXT COLLATE "C" NOT NULL,
    place          TEXT COLLATE "C" NOT NULL,
    events         TEXT COLLATE "C" NOT NULL,
    config         TEXT COLLATE "C",
    external_id    TEXT COLLATE "C",
    state          TEXT COLLATE "C" NOT NULL,
    state_reason   TEXT COLLATE "C",
    progress       TEXT COLLATE "C" NOT NULL,
    expires_at     BIGINT NOT NULL,
    due_at         BIGINT NOT NULL,
    created_at     BIGINT NOT NULL,
    updated_at     BIGINT NOT NULL,
    sealed_secrets BYTEA NOT NULL,
    revision       BIGINT NOT NULL
);
CREATE UNIQUE INDEX registrations_basis ON registrations (basis, provider, place);
CREATE INDEX registrations_place ON registrations (provider, place);
CREATE INDEX registrations_user ON registrations (user_id, id);

-- What is to be done once at a time. A claim moves the due time to its own deadline, so that a task whose claimant has died
-- falls due by itself, and counts the turn up, which is the fence.
CREATE TABLE tasks (
    kind    TEXT COLLATE "C" NOT NULL,
    subject TEXT COLLATE "C" NOT NULL,
    due_at  BIGINT NOT NULL,
    turn    BIGINT NOT NULL,
    memory  TEXT COLLATE "C" NOT NULL,
    -- 1: somebody has claimed it, until due_at.
    is_claimed BIGINT NOT NULL,
    -- How often it was rung for since whoever has done it last had claimed it.
    rings   BIGINT NOT NULL,
    PRIMARY KEY (kind, subject)
);
CREATE INDEX tasks_due ON tasks (kind, due_at);
CREATE INDEX tasks_subject ON tasks (subject);

-- Kinds of tasks of which none is claimed until then, and what they rest for.
CREATE TABLE rests (
    kind  TEXT COLLATE "C" PRIMARY KEY,
    until BIGINT NOT NULL,
    cause TEXT COLLATE "C" NOT NULL
);

-- What may be used once and was, until it would not be good any more.
CREATE TABLE spent (
    digest     BYTEA PRIMARY KEY,
    expires_at BIGINT NOT NULL
);
CREATE INDEX spent_expiry ON spent (expires_at);

-- Work that goes on for a while. Zeros are nobody, and the beginning; -1 is what nobody has counted.
CREATE TABLE jobs (
    id          UUID PRIMARY KEY,
    owner_id    TEXT COLLATE "C",
    work        TEXT COLLATE "C" NOT NULL,
    state       TEXT COLLATE "C" NOT NULL,
    total       BIGINT NOT NULL,
    done        BIGINT NOT NULL,
    failed      BIGINT NOT NULL,
    error       TEXT COLLATE "C",
    created_at  BIGINT NOT NULL,
    finished_at BIGINT NOT NULL,
    node        UUID NOT NULL,
    cursor      UUID NOT NULL,
    revision    BIGINT NOT NULL
);
CREATE INDEX jobs_owner ON jobs (owner_id, id);
CREATE INDEX jobs_running ON jobs (id) WHERE state = 'running';

-- In one row: how far the inbox has followed the log.
CREATE TABLE inbox (
    only_row BIGINT PRIMARY KEY CHECK (only_row = 1),
    position BIGINT NOT NULL
);
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
    id              UUID PRIMARY KEY,
    user_id         TEXT COLLATE "C" NOT NULL,
    last_message_at BIGINT NOT NULL,
    document        TEXT COLLATE "C" NOT NULL,
    revision        BIGINT NOT NULL
);
CREATE INDEX conversations_user ON conversations (user_id, last_message_at, id);
CREATE INDEX conversations_latest ON conversations (last_message_at, id);

-- One that has not come in yet, but of which something is known already, is in no list.
CREATE TABLE messages (
    id              UUID PRIMARY KEY,
    conversation_id UUID NOT NULL,
    provider_id     TEXT COLLATE "C",
    is_known        BIGINT NOT NULL,
    is_sending      BIGINT NOT NULL,
    occurred_at     BIGINT NOT NULL,
    document        TEXT COLLATE "C" NOT NULL,
    revision        BIGINT NOT NULL
);
CREATE UNIQUE INDEX messages_provider ON messages (conversation_id, provider_id) WHERE provider_id IS NOT NULL;
CREATE INDEX messages_latest ON messages (conversation_id, occurred_at, id) WHERE is_known = 1;
CREATE INDEX messages_sending ON messages (conversation_id, id) WHERE is_sending = 1;

CREATE TABLE emails (
    id          UUID PRIMARY KEY,
    user_id     TEXT COLLATE "C" NOT NULL,
    provider_id TEXT COLLATE "C" NOT NULL,
    thread_id   TEXT COLLATE "C" NOT NULL,
    date        BIGINT NOT NULL,
    document    TEXT COLLATE "C" NOT NULL,
    revision    BIGINT NOT NULL
);
CREATE INDEX emails_user ON emails (user_id, date, id);
CREATE INDEX emails_thread ON emails (user_id, thread_id, date, id);
CREATE INDEX emails_provider ON emails (user_id, provider_id);
CREATE INDEX emails_latest ON emails (date, id);
