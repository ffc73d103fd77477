-- The version moves in the same transaction: an append that was routed without this subscription will be refused.
WITH {move_routes}
{insert}
