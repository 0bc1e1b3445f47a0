-- queries/reload_entry/append.sql: adds a JSON array of entries, oldest first
INSERT INTO reload_entry (
    node_id, reloaded_at_ms, reloaded_rest_ns, version_id, success, duration_us, policies, error_id,
    gap_before, asked_by
)
SELECT
    value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6,
    value ->> 7, value ->> 8, value ->> 9
FROM json_each(?1)
