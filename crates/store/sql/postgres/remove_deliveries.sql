WITH gone AS (
    DELETE FROM deliveries
    WHERE id = ANY($1::uuid[]) AND status IN ('success', 'failed', 'cancelled')
    RETURNING id
),
tried AS (
    DELETE FROM attempts USING gone WHERE attempts.delivery_id = gone.id
)
SELECT id FROM gone
