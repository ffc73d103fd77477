-- Other nodes claim at the same time: what one of them has locked is skipped, not waited for.
WITH due AS (
    SELECT kind, subject FROM tasks WHERE kind = $1 AND due_at <= $3
      AND NOT EXISTS (SELECT 1 FROM rests WHERE kind = $1 AND until > $3)
    ORDER BY due_at LIMIT $2
    FOR UPDATE SKIP LOCKED
)
UPDATE tasks SET due_at = $4, turn = turn + 1, is_claimed = 1
FROM due WHERE tasks.kind = due.kind AND tasks.subject = due.subject
RETURNING tasks.kind, tasks.subject, tasks.turn, tasks.memory, tasks.rings
