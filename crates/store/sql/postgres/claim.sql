-- All lanes at once, each with its own limit. What another node is claiming is skipped rather than waited for.
--
-- Of a line only the first may go. The lines are walked along their index, one step for each, however many wait in it; and
-- from anywhere, all around, so that none always comes last. A snapshot that is older than another node's claim does no
-- harm: places only grow, so whatever was the first can have been claimed, which the lock finds out, or have ended.
WITH lane AS (
    SELECT * FROM unnest($1::uuid[], $2::bigint[]) AS lane (subscription_id, room)
),
alone AS (
    SELECT alone.id, alone.next_attempt_at, lane.subscription_id, lane.room
    FROM lane CROSS JOIN LATERAL (
        SELECT id, next_attempt_at FROM deliveries
        WHERE subscription_id = lane.subscription_id AND ordering_key IS NULL
          AND status IN ('pending', 'retrying') AND next_attempt_at <= $5
        ORDER BY next_attempt_at, id
        LIMIT lane.room
        FOR UPDATE SKIP LOCKED
    ) AS alone
),
in_line AS (
    SELECT first.id, first.next_attempt_at, lane.subscription_id, lane.room
    FROM lane CROSS JOIN LATERAL (
        WITH RECURSIVE start AS MATERIALIZED (
            SELECT uuid_send(gen_random_uuid()) AS ordering_key
        ),
        line (id, ordering_key, ends_at) AS (
            SELECT NULL::uuid, ordering_key, '\xffffffffffffffffffffffffffffffff'::bytea FROM start
            UNION ALL
            SELECT NULL, ''::bytea, ordering_key FROM start
            UNION ALL
            SELECT first.id, first.ordering_key, line.ends_at
            FROM line CROSS JOIN LATERAL (
                SELECT id, ordering_key FROM deliveries
                WHERE subscription_id = lane.subscription_id
                  AND ordering_key > line.ordering_key AND ordering_key <= line.ends_at
                  AND status IN ('pending', 'processing', 'retrying', 'held')
                ORDER BY ordering_key, place, id
                LIMIT 1
            ) AS first
        )
        SELECT deliveries.id, next_attempt_at
        FROM line JOIN deliveries ON deliveries.id = line.id
        WHERE status IN ('pending', 'retrying') AND next_attempt_at <= $5
        LIMIT lane.room
        FOR UPDATE OF deliveries SKIP LOCKED
    ) AS first
),
due AS (
    SELECT id, next_attempt_at
    FROM (
        SELECT *, row_number() OVER (PARTITION BY subscription_id ORDER BY next_attempt_at, id) AS number
        FROM (SELECT * FROM alone UNION ALL SELECT * FROM in_line) AS either
    ) AS numbered
    WHERE number <= room
),
claimed AS (
    UPDATE deliveries
    SET status = 'processing', next_attempt_at = NULL, claimed_by = $3, claim_deadline = $4
    FROM due
    WHERE deliveries.id = due.id
    RETURNING due.next_attempt_at AS due_at, deliveries.*
)
SELECT {deliveries}, {events}
FROM claimed AS deliveries JOIN events ON events.id = deliveries.event_id
ORDER BY deliveries.due_at, deliveries.id
