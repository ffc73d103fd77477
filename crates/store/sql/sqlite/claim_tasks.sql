-- One writer: what is found due here is claimed by nobody else meanwhile.
UPDATE tasks SET due_at = $4, turn = turn + 1, is_claimed = 1
WHERE kind = $1
  AND NOT EXISTS (SELECT 1 FROM rests WHERE kind = $1 AND until > $3)
  AND subject IN (SELECT subject FROM tasks WHERE kind = $1 AND due_at <= $3 ORDER BY due_at LIMIT $2)
RETURNING kind, subject, turn, memory, rings
