-- The members of one batch that was made before and is due: each of them is, and none is under way. Batches are few, since
-- they are made when they are first claimed; they are walked along their index.
WITH RECURSIVE
made (batch) AS (
    SELECT min(batch) FROM deliveries
    WHERE subscription_id = $1 AND batch IS NOT NULL AND status IN ('pending', 'processing', 'retrying', 'held')
    UNION ALL
    SELECT (SELECT min(batch) FROM deliveries
            WHERE subscription_id = $1 AND batch > made.batch AND status IN ('pending', 'processing', 'retrying', 'held'))
    FROM made WHERE made.batch IS NOT NULL
),
due (batch) AS (
    SELECT batch FROM made
    WHERE batch IS NOT NULL
      AND EXISTS (SELECT 1 FROM deliveries
                  WHERE subscription_id = $1 AND batch = made.batch
                    AND status IN ('pending', 'processing', 'retrying', 'held') AND status IN ('pending', 'retrying'))
      AND NOT EXISTS (SELECT 1 FROM deliveries
                      WHERE subscription_id = $1 AND batch = made.batch
                        AND status IN ('pending', 'processing', 'retrying', 'held')
                        AND (status = 'processing' OR next_attempt_at > $2))
    LIMIT 1
)
SELECT id FROM deliveries
WHERE subscription_id = $1 AND batch = (SELECT batch FROM due)
  AND status IN ('pending', 'processing', 'retrying', 'held') AND status IN ('pending', 'retrying')
