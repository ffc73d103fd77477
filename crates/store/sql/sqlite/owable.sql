-- Which of these (delivery, event, subscription) can be owed, now that nobody else writes: the event is there, and what
-- it has been owed before is as $2 wants it. Its deliveries are few; those of a subscription may be many.
WITH wanted AS (
    SELECT unhex(json_extract(value, '$[0]')) AS id, unhex(json_extract(value, '$[1]')) AS event_id,
           unhex(json_extract(value, '$[2]')) AS subscription_id
    FROM json_each($1)
)
SELECT id FROM wanted
WHERE EXISTS (SELECT 1 FROM events WHERE events.id = wanted.event_id)
  AND CASE $2
      WHEN 'missing' THEN NOT EXISTS (SELECT 1 FROM deliveries
                                      WHERE event_id = wanted.event_id AND +subscription_id = wanted.subscription_id)
      WHEN 'failed' THEN (SELECT max(CASE status WHEN 'cancelled' THEN 1 WHEN 'failed' THEN 2 ELSE 3 END)
                          FROM deliveries
                          WHERE event_id = wanted.event_id AND +subscription_id = wanted.subscription_id) = 2
      ELSE true END
