-- What may make a new batch, with its size: what was in none and is due, or fresh. Of a line only the first.
WITH RECURSIVE
{lines},
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
