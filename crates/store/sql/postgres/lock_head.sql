-- The first statement of a change to the subscriptions. What comes after it sees every append that it waited for: a single
-- statement would go on with the snapshot from before the wait.
SELECT position FROM log FOR UPDATE
