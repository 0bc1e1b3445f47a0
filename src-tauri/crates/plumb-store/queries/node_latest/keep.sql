-- queries/node_latest/keep.sql: keeps the newest reports of a JSON array of nodes; answers with those that differ
INSERT INTO node_latest (
    node_id, report_shape_id, policy_list_id, history, stats, loaded_at_ms, loaded_rest_ns, changed_at_ms
)
SELECT
    value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, ?2
FROM json_each(?1)
WHERE true
ON CONFLICT (node_id) DO UPDATE SET
    report_shape_id = excluded.report_shape_id,
    policy_list_id = excluded.policy_list_id,
    history = excluded.history,
    stats = excluded.stats,
    loaded_at_ms = excluded.loaded_at_ms,
    loaded_rest_ns = excluded.loaded_rest_ns,
    changed_at_ms = excluded.changed_at_ms
WHERE report_shape_id IS NOT excluded.report_shape_id
    OR policy_list_id IS NOT excluded.policy_list_id
    OR history IS NOT excluded.history
    OR stats IS NOT excluded.stats
    OR loaded_at_ms IS NOT excluded.loaded_at_ms
    OR loaded_rest_ns IS NOT excluded.loaded_rest_ns
RETURNING node_id AS "node_id!"
