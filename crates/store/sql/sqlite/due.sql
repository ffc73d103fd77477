-- One lane at a time: SQLite cannot limit each lane of a join, and in one process a statement costs little. Of a line only the
-- first may go.
WITH RECURSIVE
{lines},
alone AS (
    SELECT id, next_attempt_at FROM deliveries
    WHERE subscription_id = $1 AND ordering_key IS NULL
      AND status IN ('pending', 'retrying') AND next_attempt_at <= $2
    ORDER BY next_attempt_at, id
    LIMIT $3
),
in_line AS (
    SELECT deliveries.id, next_attempt_at
    FROM line JOIN deliveries ON deliveries.id = line.id
    WHERE status IN ('pending', 'retrying') AND next_attempt_at <= $2
    LIMIT $3
)
SELECT id FROM (SELECT * FROM alone UNION ALL SELECT * FROM in_line)
ORDER BY next_attempt_at, id
LIMIT $3
