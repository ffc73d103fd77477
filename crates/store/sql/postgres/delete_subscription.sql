-- $2 is now.
WITH moved AS (
    UPDATE log SET routes_version = routes_version + 1 RETURNING routes_version
),
deleted AS (
    DELETE FROM subscriptions USING moved WHERE id = $1 RETURNING id
),
cancelled AS (
    UPDATE deliveries
    SET status = 'cancelled', completed_at = $2, next_attempt_at = NULL, claimed_by = NULL, claim_deadline = NULL
    FROM deleted
    WHERE deliveries.subscription_id = deleted.id
      AND deliveries.status IN ('pending', 'retrying', 'held', 'processing')
    RETURNING deliveries.id
),
counted AS (
    INSERT INTO subscription_statistics
        (subscription_id, successful, failed, cancelled, last_delivery_at, last_success_at, last_failure_at)
    SELECT deleted.id, 0, 0, count(cancelled.id), CASE WHEN count(cancelled.id) > 0 THEN $2 END, NULL, NULL
    FROM deleted LEFT JOIN cancelled ON true
    GROUP BY deleted.id
    ON CONFLICT (subscription_id) DO UPDATE SET
        cancelled = subscription_statistics.cancelled + excluded.cancelled,
        last_delivery_at = greatest(subscription_statistics.last_delivery_at, excluded.last_delivery_at)
)
SELECT id FROM deleted
