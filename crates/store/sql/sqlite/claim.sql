-- SQLite takes a list as a JSON array. Nobody else writes between the reading of what is due and this.
UPDATE deliveries
SET status = 'processing', next_attempt_at = NULL, claimed_by = $1, claim_deadline = $2
WHERE id IN (SELECT unhex(value) FROM json_each($3))
