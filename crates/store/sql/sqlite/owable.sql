-- Which of these (delivery, event, subscription) can be owed. The plus keeps SQLite from walking along all deliveries of a
-- subscription, where those of an event are few.
SELECT unhex(json_extract(value, '$[0]')) FROM json_each($1)
WHERE EXISTS (SELECT 1 FROM events WHERE id = unhex(json_extract(value, '$[1]')))
  AND ($2 = 0 OR NOT EXISTS (SELECT 1 FROM deliveries
                             WHERE event_id = unhex(json_extract(value, '$[1]'))
                               AND +subscription_id = unhex(json_extract(value, '$[2]'))))
