-- A change counts only if the delivery is as the decision found it.
WITH change (id, from_status, from_holder, status, next_attempt_at, claimed_by, claim_deadline, attempt_count,
             max_attempts, lapses, cause, completed_at, response_status, error, ordering_key,
             from_deadline) AS (VALUES {rows})
UPDATE OR FAIL deliveries
SET status = change.status, next_attempt_at = change.next_attempt_at, claimed_by = change.claimed_by,
    claim_deadline = change.claim_deadline, attempt_count = change.attempt_count, max_attempts = change.max_attempts,
    lapses = change.lapses, cause = change.cause, completed_at = change.completed_at,
    response_status = change.response_status, error = change.error, ordering_key = change.ordering_key
FROM change
WHERE deliveries.id = change.id
  AND deliveries.status = change.from_status
  AND deliveries.claimed_by IS change.from_holder
  AND (change.from_deadline IS NULL OR deliveries.claim_deadline = change.from_deadline)
