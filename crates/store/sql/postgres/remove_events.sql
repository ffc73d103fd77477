-- An event that is owed to somebody stays. What it owed goes with it.
WITH gone AS (
    DELETE FROM events
    WHERE id = ANY($1::uuid[])
      AND NOT EXISTS (SELECT FROM deliveries
                      WHERE event_id = events.id AND status IN ('pending', 'processing', 'retrying', 'held'))
    RETURNING id, position
),
noted AS (
    UPDATE log_removed SET position = (SELECT max(gone.position) FROM gone)
    WHERE position < (SELECT max(gone.position) FROM gone)
),
owed AS (
    DELETE FROM deliveries USING gone WHERE deliveries.event_id = gone.id RETURNING deliveries.id
),
tried AS (
    DELETE FROM attempts USING owed WHERE attempts.delivery_id = owed.id
)
SELECT id FROM gone
