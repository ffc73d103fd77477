-- Decisions, the attempts behind them and what they add to the statistics, in one statement. A change counts only if the
-- delivery is as the decision found it; the rows of the statistics, and of the hours, are locked in the order of their keys.
-- What is set going once more has left its batch.
WITH change AS (
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::bigint[],
                         $8::bigint[], $9::bigint[], $10::bigint[], $11::text[], $12::bigint[], $13::bigint[], $14::text[],
                         $15::bytea[], $16::bigint[])
        AS change (id, from_status, from_holder, status, next_attempt_at, claimed_by, claim_deadline, attempt_count,
                   max_attempts, lapses, cause, completed_at, response_status, error, ordering_key,
                   from_deadline)
),
written AS (
    UPDATE deliveries
    SET status = change.status, next_attempt_at = change.next_attempt_at, claimed_by = change.claimed_by,
        claim_deadline = change.claim_deadline, attempt_count = change.attempt_count,
        max_attempts = change.max_attempts, lapses = change.lapses, cause = change.cause,
        completed_at = change.completed_at, response_status = change.response_status, error = change.error,
        ordering_key = change.ordering_key,
        batch = CASE WHEN change.from_status IN ('failed', 'cancelled') THEN NULL ELSE batch END
    FROM change
    WHERE deliveries.id = change.id
      AND deliveries.status = change.from_status
      AND deliveries.claimed_by IS NOT DISTINCT FROM change.from_holder
      AND (change.from_deadline IS NULL OR deliveries.claim_deadline = change.from_deadline)
    RETURNING deliveries.id, deliveries.subscription_id, change.from_status, change.status, change.completed_at
),
tried AS (
    INSERT INTO attempts
        (delivery_id, number, at, cause, duration_us, response_status, response_headers, response_body, error,
         error_code)
    SELECT attempt.*
    FROM unnest($17::uuid[], $18::bigint[], $19::bigint[], $20::text[], $21::bigint[], $22::bigint[], $23::text[],
                $24::bytea[], $25::text[], $26::text[])
        AS attempt (delivery_id, number, at, cause, duration_us, response_status, response_headers, response_body,
                    error, error_code)
    JOIN written ON written.id = attempt.delivery_id
    ON CONFLICT (delivery_id, number) DO NOTHING
    RETURNING delivery_id, at + duration_us AS tried_at,
              CASE WHEN response_status IS NOT NULL THEN duration_us END AS answer_us,
              CASE WHEN error_code IS NOT NULL THEN at + duration_us END AS failed_at,
              CASE WHEN error_code <> ALL($27::text[]) THEN at + duration_us END AS blamed_at
),
-- A success ends a span of failures that began before it, and a failure from before the last success begins none. Whatever
-- has been tried has been written too; the join is full because one from the left would be made row by row, a batch times
-- a batch: the planner, which expects one row of each, takes that for the cheapest.
ended AS (
    SELECT written.*, tried_at, answer_us, failed_at, blamed_at,
           max(written.completed_at) FILTER (WHERE status = 'success') OVER (PARTITION BY subscription_id) AS succeeded_at
    FROM written FULL JOIN tried ON tried.delivery_id = written.id
),
counted AS (
    INSERT INTO subscription_statistics
        (subscription_id, successful, failed, cancelled, last_delivery_at, last_success_at, last_failure_at,
         failing_since)
    SELECT subscription_id,
           count(*) FILTER (WHERE status = 'success'),
           count(*) FILTER (WHERE status = 'failed') - count(*) FILTER (WHERE from_status = 'failed'),
           count(*) FILTER (WHERE status = 'cancelled') - count(*) FILTER (WHERE from_status = 'cancelled'),
           max(completed_at) FILTER (WHERE status IN ('success', 'failed')),
           max(completed_at) FILTER (WHERE status = 'success'),
           max(failed_at),
           min(blamed_at) FILTER (WHERE succeeded_at IS NULL OR blamed_at > succeeded_at)
    FROM ended
    GROUP BY subscription_id
    ORDER BY subscription_id
    ON CONFLICT (subscription_id) DO UPDATE SET
        successful = subscription_statistics.successful + excluded.successful,
        failed = subscription_statistics.failed + excluded.failed,
        cancelled = subscription_statistics.cancelled + excluded.cancelled,
        last_delivery_at = greatest(subscription_statistics.last_delivery_at, excluded.last_delivery_at),
        last_success_at = greatest(subscription_statistics.last_success_at, excluded.last_success_at),
        last_failure_at = greatest(subscription_statistics.last_failure_at, excluded.last_failure_at),
        failing_since = coalesce(
            CASE WHEN subscription_statistics.failing_since <= excluded.last_success_at THEN NULL
                 ELSE subscription_statistics.failing_since END,
            CASE WHEN excluded.failing_since <= subscription_statistics.last_success_at THEN NULL
                 ELSE excluded.failing_since END)
),
in_hours AS (
    INSERT INTO delivery_hours
        (hour, subscription_id, successful, failed, attempts, errors, answers, answer_us, answer_us_max)
    SELECT coalesce(tried_at, completed_at) / 3600000000 * 3600000000 AS hour, subscription_id,
           count(*) FILTER (WHERE status = 'success'), count(*) FILTER (WHERE status = 'failed'),
           count(tried_at), count(failed_at), count(answer_us), coalesce(sum(answer_us), 0)::bigint,
           coalesce(max(answer_us), 0)
    FROM ended
    WHERE tried_at IS NOT NULL OR (status IN ('success', 'failed') AND completed_at IS NOT NULL)
    GROUP BY 1, 2
    ORDER BY 1, 2
    ON CONFLICT (hour, subscription_id) DO UPDATE SET
        successful = delivery_hours.successful + excluded.successful,
        failed = delivery_hours.failed + excluded.failed,
        attempts = delivery_hours.attempts + excluded.attempts,
        errors = delivery_hours.errors + excluded.errors,
        answers = delivery_hours.answers + excluded.answers,
        answer_us = delivery_hours.answer_us + excluded.answer_us,
        answer_us_max = greatest(delivery_hours.answer_us_max, excluded.answer_us_max)
)
SELECT id FROM written
