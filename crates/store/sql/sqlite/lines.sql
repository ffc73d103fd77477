-- The first of each line. The lines are walked along their index, one step for each, however many wait in it; and from
-- anywhere, all around, so that none always comes last.
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
)
