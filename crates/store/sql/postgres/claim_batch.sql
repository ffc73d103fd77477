-- One batch of subscription $1: one that was made before and is due, else a new one of at most $2 events and $3 bytes. $6 is
-- now. Batches that were made are few, since they are made when they are first claimed.
WITH RECURSIVE
made (batch) AS (
    SELECT ''::bytea
    UNION ALL
    SELECT (SELECT batch FROM deliveries
            WHERE subscription_id = $1 AND batch > made.batch AND status IN ('pending', 'processing', 'retrying', 'held')
            ORDER BY batch LIMIT 1)
    FROM made WHERE made.batch IS NOT NULL
),
-- Whoever has the least member that waits has the batch: another node finds it locked, or claimed.
least AS (
    SELECT deliveries.batch
    FROM made JOIN deliveries ON deliveries.id = (
        SELECT id FROM deliveries
        WHERE subscription_id = $1 AND batch = made.batch
          AND status IN ('pending', 'processing', 'retrying', 'held') AND status IN ('pending', 'retrying')
        ORDER BY id LIMIT 1
    )
    WHERE status IN ('pending', 'retrying') AND next_attempt_at <= $6
      AND NOT EXISTS (SELECT FROM deliveries AS other
                      WHERE other.subscription_id = $1 AND other.batch = made.batch
                        AND other.status IN ('pending', 'processing', 'retrying', 'held')
                        AND (other.status = 'processing' OR other.next_attempt_at > $6))
    LIMIT 1
    FOR UPDATE OF deliveries SKIP LOCKED
),
member AS (
    SELECT deliveries.id
    FROM least JOIN deliveries ON deliveries.subscription_id = $1 AND deliveries.batch = least.batch
    WHERE status IN ('pending', 'processing', 'retrying', 'held') AND status IN ('pending', 'retrying')
      AND next_attempt_at <= $6
    FOR UPDATE OF deliveries
),
-- What may make a new one: what was in none and is due, or fresh. Of a line only the first, found as in claim.sql.
alone AS (
    SELECT deliveries.id, next_attempt_at, octet_length(events.data) AS bytes
    FROM deliveries JOIN events ON events.id = deliveries.event_id
    WHERE NOT EXISTS (SELECT FROM least)
      AND subscription_id = $1 AND ordering_key IS NULL AND batch IS NULL
      AND status IN ('pending', 'retrying') AND (status = 'pending' OR next_attempt_at <= $6)
    ORDER BY next_attempt_at, deliveries.id
    LIMIT $2
    FOR UPDATE OF deliveries SKIP LOCKED
),
start AS MATERIALIZED (
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
        WHERE subscription_id = $1
          AND ordering_key > line.ordering_key AND ordering_key <= line.ends_at
          AND status IN ('pending', 'processing', 'retrying', 'held')
        ORDER BY ordering_key, place, id
        LIMIT 1
    ) AS first
),
in_line AS (
    SELECT deliveries.id, next_attempt_at, octet_length(events.data) AS bytes
    FROM line JOIN deliveries ON deliveries.id = line.id JOIN events ON events.id = deliveries.event_id
    WHERE NOT EXISTS (SELECT FROM least)
      AND batch IS NULL AND status IN ('pending', 'retrying') AND (status = 'pending' OR next_attempt_at <= $6)
    LIMIT $2
    FOR UPDATE OF deliveries SKIP LOCKED
),
gathered AS (
    SELECT id, next_attempt_at, row_number() OVER longest_due AS number, sum(bytes) OVER longest_due AS bytes
    FROM (SELECT * FROM alone UNION ALL SELECT * FROM in_line) AS either
    WINDOW longest_due AS (ORDER BY next_attempt_at, id)
),
fitting AS (
    SELECT id FROM gathered WHERE number <= $2 AND (number = 1 OR bytes <= $3)
),
chosen AS (
    SELECT id FROM member
    UNION ALL
    SELECT id FROM fitting
    WHERE (SELECT min(next_attempt_at) FROM gathered) <= $6
       OR (SELECT count(*) FROM fitting) = $2
       OR (SELECT count(*) FROM fitting) < (SELECT count(*) FROM gathered)
),
named AS MATERIALIZED (
    SELECT uuid_send(gen_random_uuid()) AS batch
),
claimed AS (
    UPDATE deliveries
    SET status = 'processing', next_attempt_at = NULL, claimed_by = $4, claim_deadline = $5,
        batch = coalesce(deliveries.batch, (SELECT batch FROM named))
    FROM chosen
    WHERE deliveries.id = chosen.id
    RETURNING deliveries.*
)
SELECT {deliveries}, {events}
FROM claimed AS deliveries JOIN events ON events.id = deliveries.event_id
ORDER BY events.position, deliveries.id
