-- The version moves in the same transaction: an append that was routed without this subscription will be refused.
WITH moved AS (UPDATE log SET routes_version = routes_version + 1)
{insert}
