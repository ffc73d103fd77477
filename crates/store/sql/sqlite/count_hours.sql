-- Adds to what is there. On PostgreSQL this is part of `change`.
INSERT INTO delivery_hours
    (hour, subscription_id, successful, failed, attempts, errors, answers, answer_us, answer_us_max)
VALUES {rows}
ON CONFLICT (hour, subscription_id) DO UPDATE SET
    successful = successful + excluded.successful,
    failed = failed + excluded.failed,
    attempts = attempts + excluded.attempts,
    errors = errors + excluded.errors,
    answers = answers + excluded.answers,
    answer_us = answer_us + excluded.answer_us,
    answer_us_max = max(answer_us_max, excluded.answer_us_max)
