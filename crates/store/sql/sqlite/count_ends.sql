-- Adds to what is there; SQLite's two-argument max() is null where either side is. A success ends a span of failures that
-- began before it, and a failure from before the last success begins none.
INSERT INTO subscription_statistics
    (subscription_id, successful, failed, cancelled, last_delivery_at, last_success_at, last_failure_at, failing_since)
VALUES {rows}
ON CONFLICT (subscription_id) DO UPDATE SET
    successful = successful + excluded.successful,
    failed = failed + excluded.failed,
    cancelled = cancelled + excluded.cancelled,
    last_delivery_at = max(coalesce(last_delivery_at, excluded.last_delivery_at), coalesce(excluded.last_delivery_at, last_delivery_at)),
    last_success_at = max(coalesce(last_success_at, excluded.last_success_at), coalesce(excluded.last_success_at, last_success_at)),
    last_failure_at = max(coalesce(last_failure_at, excluded.last_failure_at), coalesce(excluded.last_failure_at, last_failure_at)),
    failing_since = coalesce(
        CASE WHEN failing_since <= excluded.last_success_at THEN NULL ELSE failing_since END,
        CASE WHEN excluded.failing_since <= last_success_at THEN NULL ELSE excluded.failing_since END)
