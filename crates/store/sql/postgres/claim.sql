-- All lanes at once, each with its own limit. What another node is claiming is skipped rather than waited for.
WITH lane AS (
    SELECT * FROM unnest($1::uuid[], $2::bigint[]) AS lane (subscription_id, room)
),
due AS (
    SELECT due.id, due.next_attempt_at
    FROM lane CROSS JOIN LATERAL (
        SELECT id, next_attempt_at FROM deliveries
        WHERE subscription_id = lane.subscription_id
          AND status IN ('pending', 'retrying') AND next_attempt_at <= $5
        ORDER BY next_attempt_at, id
        LIMIT lane.room
        FOR UPDATE SKIP LOCKED
    ) AS due
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
