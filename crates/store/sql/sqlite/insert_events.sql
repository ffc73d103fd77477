-- SQLite binds no arrays: many rows are many VALUES.
INSERT OR FAIL INTO events
    (position, id, event_type, user_id, source, provider, occurred_at, received_at, dedupe_key, data, raw)
VALUES {rows}
ON CONFLICT (dedupe_key) WHERE dedupe_key IS NOT NULL DO NOTHING
