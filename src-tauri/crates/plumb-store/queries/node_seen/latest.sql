-- queries/node_seen/latest.sql: every node of a sweep with the newest report ever received
SELECT
    swept_node.name, node_seen.attempted_at_ms, node_seen.failure_kind, node_seen.failure_message,
    node_seen.reported_at_ms, node_seen.latency_ms, node_seen.uptime_s, node_seen.confirmed_at_ms,
    node_seen.confirmed_rest_ns, node_seen.clock_skew_ms, node_seen.moments,
    node_latest.report_shape_id AS "report_shape_id?", node_latest.policy_list_id,
    node_latest.history AS "history?", node_latest.stats, node_latest.loaded_at_ms,
    node_latest.loaded_rest_ns, node_seen.standing
FROM node_seen
JOIN swept_node ON swept_node.id = node_seen.node_id
LEFT JOIN node_latest
    ON node_latest.node_id = node_seen.node_id AND node_seen.reported_at_ms IS NOT NULL
WHERE node_seen.sweep_id = ?1
