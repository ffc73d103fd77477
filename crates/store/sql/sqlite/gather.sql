-- What may make a new batch, with its size: what was in none and is due, or fresh. Of a line only the first, found as in
-- due.sql.
WITH RECURSIVE
start (ordering_key) AS MATERIALIZED (
    SELECT randomblob(16)
),
line (id, ordering_key, ends_at) AS (
    SELECT NULL, ordering_key, x'ffffffffffffffffffffffffffffffff' FROM start
    UNION ALL
    SELECT NULL, x'', ordering_key FROM start
    UNION ALL
    SELECT first.id, first.ordering_key, line.ends_at
    FROM line JOIN deliveries AS first ON first.id = (
        SELECT id FROM deliveries
        WHERE subscription_id = $1 AND ordering_key > line.ordering_key AND ordering_key <= line.ends_at
          AND status IN ('pending', 'processing', 'retrying', 'held')
        ORDER BY ordering_key, place, id
        LIMIT 1
    )
),
alone AS (
    SELECT id, event_id, next_attempt_at FROM deliveries
    WHERE subscription_id = $1 AND ordering_key IS NULL AND batch IS NULL
      AND status IN ('pending', 'retrying') AND (status = 'pending' OR next_attempt_at <= $2)
    ORDER BY next_attempt_at, id
    LIMIT $3
),
in_line AS (
    SELECT deliveries.id, event_id, next_attempt_at
    FROM line JOIN deliveries ON deliveries.id = line.id
    WHERE batch IS NULL AND status IN ('pending', 'retrying') AND (status = 'pending' OR next_attempt_at <= $2)
    LIMIT $3
)
SELECT either.id, either.next_attempt_at, octet_length(events.data)
FROM (SELECT * FROM alone UNION ALL SELECT * FROM in_line) AS either JOIN events ON events.id = either.event_id
ORDER BY either.next_attempt_at, either.id
LIMIT $3
