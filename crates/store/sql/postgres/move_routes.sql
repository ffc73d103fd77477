-- A change of the subscription $1 moves the version, and is remembered for those who know an older one.
moved AS (
    UPDATE log SET routes_version = routes_version + 1 {of} RETURNING routes_version
),
noted AS (
    INSERT INTO route_changes (version, subscription_id) SELECT routes_version, $1::uuid FROM moved
),
forgotten AS (
    DELETE FROM route_changes USING moved WHERE route_changes.version <= moved.routes_version - {kept}
)
