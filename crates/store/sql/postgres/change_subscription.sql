-- $9 is whether the subscription holds its deliveries back, $10 is now. The head's row comes first, as in an append, so
-- that what is appended meanwhile is either held or let go here, or routed anew.
WITH moved AS (
    UPDATE log SET routes_version = routes_version + 1 RETURNING routes_version
),
changed AS (
    {update} AND EXISTS (SELECT FROM moved) RETURNING id
),
held AS (
    UPDATE deliveries SET status = 'held', next_attempt_at = NULL
    FROM changed
    WHERE $9 = 1 AND deliveries.subscription_id = changed.id AND deliveries.status IN ('pending', 'retrying')
),
released AS (
    UPDATE deliveries SET status = 'pending', next_attempt_at = $10
    FROM changed
    WHERE $9 = 0 AND deliveries.subscription_id = changed.id AND deliveries.status = 'held'
)
SELECT id FROM changed
