-- What was claimed, in the order in which it was due, with the events it carries.
SELECT {deliveries}, {events}
FROM json_each($1) AS claimed
JOIN deliveries ON deliveries.id = unhex(claimed.value)
JOIN events ON events.id = deliveries.event_id
ORDER BY claimed.key
