-- Answers with the body that the key stands for: ours, unless somebody took it first and it has not expired.
INSERT INTO idempotency (key, body, expires_at) VALUES ($1, $2, $3)
ON CONFLICT (key) DO UPDATE SET
    body = CASE WHEN idempotency.expires_at <= $4 THEN excluded.body ELSE idempotency.body END,
    expires_at = CASE WHEN idempotency.expires_at <= $4 THEN excluded.expires_at ELSE idempotency.expires_at END
RETURNING body
