-- The head of the log is locked already: what has been owed before is seen, and subscriptions stay as they are. What stands
-- in a line takes positions that no event will have: places behind all that are there, and before all that will come. What
-- an event has been owed before must be as $15 wants it.
WITH owed AS (
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::uuid[], $7::text[], $8::bigint[],
                         $9::text[], $10::bigint[], $11::bigint[], $12::text[], $13::bigint[], $14::bytea[])
        WITH ORDINALITY AS owed (id, event_id, event_type, user_id, owner_id, subscription_id, status, next_attempt_at,
                                 claimed_by, claim_deadline, max_attempts, cause, created_at, ordering_key, number)
),
moved AS (
    UPDATE log SET position = position + (SELECT max(number) FROM owed)
    WHERE EXISTS (SELECT FROM owed WHERE ordering_key IS NOT NULL)
)
INSERT INTO deliveries
    (id, event_id, event_type, user_id, owner_id, subscription_id, status, next_attempt_at, claimed_by, claim_deadline,
     attempt_count, max_attempts, lapses, cause, created_at, ordering_key, place)
SELECT owed.id, owed.event_id, owed.event_type, owed.user_id, owed.owner_id, owed.subscription_id, owed.status,
       owed.next_attempt_at, owed.claimed_by, owed.claim_deadline, 0, owed.max_attempts, 0, owed.cause, owed.created_at,
       owed.ordering_key, CASE WHEN owed.ordering_key IS NOT NULL THEN (SELECT position FROM log) + owed.number END
FROM owed
WHERE EXISTS (SELECT FROM events WHERE events.id = owed.event_id)
  AND CASE $15::text
      WHEN 'missing' THEN NOT EXISTS (SELECT FROM deliveries AS known
                                      WHERE known.event_id = owed.event_id
                                        AND known.subscription_id = owed.subscription_id)
      WHEN 'failed' THEN (SELECT max(CASE known.status WHEN 'cancelled' THEN 1 WHEN 'failed' THEN 2 ELSE 3 END)
                          FROM deliveries AS known
                          WHERE known.event_id = owed.event_id
                            AND known.subscription_id = owed.subscription_id) = 2
      ELSE true END
RETURNING id
