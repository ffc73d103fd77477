-- $10 is whether the subscription holds its deliveries back, $11 is now. The head of the log is locked already.
WITH changed AS (
    {update} RETURNING id
),
{move_routes},
-- Switched on or off, it begins anew. What it was is still seen: all of this looks at the moment before.
forgiven AS (
    UPDATE subscription_statistics SET failing_since = NULL
    FROM changed JOIN subscriptions AS before ON before.id = changed.id
    WHERE subscription_statistics.subscription_id = changed.id AND before.is_active <> $5
),
held AS (
    UPDATE deliveries SET status = 'held', next_attempt_at = NULL
    FROM changed
    WHERE $10 = 1 AND deliveries.subscription_id = changed.id AND deliveries.status IN ('pending', 'retrying')
      AND ordering_key IS NULL
),
held_in_line AS (
    UPDATE deliveries SET status = 'held', next_attempt_at = NULL
    FROM changed
    WHERE $10 = 1 AND deliveries.subscription_id = changed.id AND deliveries.status IN ('pending', 'retrying')
      AND ordering_key IS NOT NULL
),
released AS (
    UPDATE deliveries SET status = 'pending', next_attempt_at = $11
    FROM changed
    WHERE $10 = 0 AND deliveries.subscription_id = changed.id AND deliveries.status = 'held'
)
SELECT id FROM changed
