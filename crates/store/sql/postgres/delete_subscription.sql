-- $2 is now. The head of the log is locked already.
WITH deleted AS (
    DELETE FROM subscriptions WHERE id = $1 RETURNING id
),
{move_routes},
cancelled AS (
    UPDATE deliveries
    SET status = 'cancelled', completed_at = $2, next_attempt_at = NULL, claimed_by = NULL, claim_deadline = NULL
    FROM deleted
    WHERE deliveries.subscription_id = deleted.id
      AND deliveries.status IN ('pending', 'retrying', 'held', 'processing')
    RETURNING deliveries.id
),
counted AS (
    INSERT INTO subscription_statistics (subscription_id, successful, failed, cancelled)
    SELECT deleted.id, 0, 0, count(cancelled.id) FROM deleted LEFT JOIN cancelled ON true
    GROUP BY deleted.id
    ON CONFLICT (subscription_id) DO UPDATE SET cancelled = subscription_statistics.cancelled + excluded.cancelled
)
SELECT id FROM deleted
