-- One lane at a time: SQLite cannot limit each lane of a join, and in one process a statement costs little.
SELECT id FROM deliveries
WHERE subscription_id = $1 AND status IN ('pending', 'retrying') AND next_attempt_at <= $2
ORDER BY next_attempt_at, id
LIMIT $3
