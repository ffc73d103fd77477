-- A new delivery has no attempts, no answer and no end.
INSERT OR FAIL INTO deliveries
    (id, event_id, event_type, user_id, owner_id, subscription_id, status, next_attempt_at, claimed_by, claim_deadline,
     attempt_count, max_attempts, lapses, cause, created_at, completed_at, response_status, error, ordering_key, place)
VALUES {rows}
