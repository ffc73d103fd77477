-- Answers with the body that each key stands for: ours, unless somebody took it first and it has not expired. In the
-- order of the keys, so that two nodes lock them in the same order. Under stale routes nothing is taken.
INSERT INTO idempotency (key, body, expires_at)
SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::bigint[]) AS taken (key, body, expires_at)
WHERE EXISTS (SELECT FROM log WHERE routes_version = $5)
ORDER BY key
ON CONFLICT (key) DO UPDATE SET
    body = CASE WHEN idempotency.expires_at <= $4 THEN excluded.body ELSE idempotency.body END,
    expires_at = CASE WHEN idempotency.expires_at <= $4 THEN excluded.expires_at ELSE idempotency.expires_at END
RETURNING key, body
