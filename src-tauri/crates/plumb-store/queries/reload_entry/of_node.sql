-- queries/reload_entry/of_node.sql: the newest reloads of a node, newest first
SELECT
    swept_node.name, reload_entry.reloaded_at_ms, reload_entry.reloaded_rest_ns,
    version.label AS "label?", reload_entry.success, reload_entry.duration_us, reload_entry.policies,
    reload_error.message AS "message?", reload_entry.gap_before, reload_entry.asked_by
FROM reload_entry
JOIN swept_node ON swept_node.id = reload_entry.node_id
LEFT JOIN version ON version.id = reload_entry.version_id
LEFT JOIN reload_error ON reload_error.id = reload_entry.error_id
WHERE reload_entry.node_id = ?1
ORDER BY reload_entry.id DESC
LIMIT ?2
