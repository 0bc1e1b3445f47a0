-- queries/node_seen/keep.sql: overwrites what moves of every node of a sweep, given as a JSON array of arrays
INSERT INTO node_seen (
    node_id, sweep_id, attempted_at_ms, failure_kind, failure_message, reported_at_ms, latency_ms,
    uptime_s, confirmed_at_ms, confirmed_rest_ns, clock_skew_ms, moments, state, version_id, content_id,
    standing
)
SELECT
    value ->> 0, ?2, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5,
    value ->> 6, value ->> 7, value ->> 8, value ->> 9, value ->> 10, value ->> 11, value ->> 12,
    value ->> 13, value ->> 14
FROM json_each(?1)
WHERE true
ON CONFLICT (node_id) DO UPDATE SET
    sweep_id = excluded.sweep_id,
    attempted_at_ms = excluded.attempted_at_ms,
    failure_kind = excluded.failure_kind,
    failure_message = excluded.failure_message,
    reported_at_ms = excluded.reported_at_ms,
    latency_ms = excluded.latency_ms,
    uptime_s = excluded.uptime_s,
    confirmed_at_ms = excluded.confirmed_at_ms,
    confirmed_rest_ns = excluded.confirmed_rest_ns,
    clock_skew_ms = excluded.clock_skew_ms,
    moments = excluded.moments,
    state = excluded.state,
    version_id = excluded.version_id,
    content_id = excluded.content_id,
    standing = excluded.standing
