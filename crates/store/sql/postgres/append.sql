-- One statement is one transaction and one round trip: the head's row is locked only while the server works, never while
-- a client thinks, and a client that goes away leaves no transaction open.
--
-- Whoever holds that row has the next positions, and holds it until the commit is visible. So positions become visible in
-- their order, and a reader that has seen one has seen all before it.
WITH head AS (
    UPDATE log SET position = position + $1 WHERE routes_version = $2 RETURNING position - $1 AS base
),
incoming AS (
    SELECT * FROM unnest($3::bigint[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::text[], $9::bigint[],
                         $10::bigint[], $11::bytea[], $12::text[], $13::bytea[])
        AS incoming (place, id, event_type, user_id, source, provider, occurred_at, received_at, dedupe_key, data, raw)
),
kept AS (
    INSERT INTO events
        (position, id, event_type, user_id, source, provider, occurred_at, received_at, dedupe_key, data, raw)
    SELECT head.base + place, id, event_type, user_id, source, provider, occurred_at, received_at, dedupe_key, data, raw
    FROM head CROSS JOIN incoming
    ON CONFLICT (dedupe_key) WHERE dedupe_key IS NOT NULL DO NOTHING
    RETURNING id, position
),
owed AS (
    INSERT INTO deliveries
        (id, event_id, event_type, user_id, owner_id, subscription_id, status, next_attempt_at, claimed_by,
         claim_deadline, attempt_count, max_attempts, lapses, cause, created_at, ordering_key, place)
    SELECT owed.id, owed.event_id, event_type, user_id, owner_id, subscription_id, status, next_attempt_at, claimed_by,
           claim_deadline, 0, max_attempts, 0, cause, created_at, ordering_key,
           CASE WHEN ordering_key IS NOT NULL THEN kept.position END
    FROM unnest($14::uuid[], $15::uuid[], $16::text[], $17::text[], $18::text[], $19::uuid[], $20::text[],
                $21::bigint[], $22::text[], $23::bigint[], $24::bigint[], $25::text[], $26::bigint[],
                $27::bytea[])
        AS owed (id, event_id, event_type, user_id, owner_id, subscription_id, status, next_attempt_at, claimed_by,
                 claim_deadline, max_attempts, cause, created_at, ordering_key)
    JOIN kept ON kept.id = owed.event_id
)
-- In one row: nearly always every event is new.
SELECT base, ARRAY(SELECT position FROM kept) AS positions FROM head
