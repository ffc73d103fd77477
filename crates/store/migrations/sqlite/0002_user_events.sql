-- Which events a user has. The newest are not here yet: the writer has them in memory, and moves them in the order of the
-- users, so that a page is written once for many of them.
CREATE TABLE user_events (
    user_id  TEXT NOT NULL,
    id       BLOB NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (user_id, id)
) STRICT, WITHOUT ROWID;
INSERT INTO user_events SELECT user_id, id, position FROM events WHERE user_id IS NOT NULL ORDER BY user_id, id;
-- A stream of one user's that is behind reads on from where it was.
CREATE INDEX user_events_log ON user_events (user_id, position);
DROP INDEX events_user;
DROP INDEX events_user_log;

-- The position up to which it has them.
ALTER TABLE log ADD COLUMN users_indexed_to INTEGER NOT NULL DEFAULT 0;
UPDATE log SET users_indexed_to = (SELECT coalesce(max(position), 0) FROM events);
