-- One lane at a time: SQLite cannot limit each lane of a join, and in one process a statement costs little.
--
-- Of a line only the first may go. The lines are walked along their index, one step for each, however many wait in it; and
-- from anywhere, all around, so that none always comes last.
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
