-- queries/reload_entry/log.sql: reloads of the nodes of a fleet between two moments, by node and oldest first
SELECT
    swept_node.name, reload_entry.reloaded_at_ms, reload_entry.reloaded_rest_ns,
    version.label AS "label?", reload_entry.success, reload_entry.duration_us, reload_entry.policies,
    reload_error.message AS "message?", reload_entry.gap_before, reload_entry.asked_by
FROM swept_fleet
JOIN swept_node ON swept_node.fleet_id = swept_fleet.id
JOIN reload_entry ON reload_entry.node_id = swept_node.id
LEFT JOIN version ON version.id = reload_entry.version_id
LEFT JOIN reload_error ON reload_error.id = reload_entry.error_id
WHERE swept_fleet.name = ?1 AND reload_entry.reloaded_at_ms BETWEEN ?2 AND ?3
ORDER BY swept_node.name, reload_entry.id
LIMIT ?4
