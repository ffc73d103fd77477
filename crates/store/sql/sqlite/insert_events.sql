-- SQLite binds no arrays: many rows are many VALUES. What is a repeat of an event whose key is indexed stays out.
INSERT OR FAIL INTO events
    (position, id, event_type, user_id, source, provider, occurred_at, received_at, dedupe_key, data, raw)
SELECT * FROM (VALUES {rows})
WHERE NOT EXISTS (SELECT 1 FROM dedupe_keys WHERE key = column9)
