INSERT OR FAIL INTO attempts
    (delivery_id, number, at, cause, duration_us, response_status, response_headers, response_body, error, error_code)
VALUES {rows}
ON CONFLICT (delivery_id, number) DO NOTHING
