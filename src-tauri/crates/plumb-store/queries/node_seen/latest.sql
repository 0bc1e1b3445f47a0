-- queries/node_seen/latest.sql: every node of a sweep with the newest report ever received
SELECT
    swept_node.name, node_seen.attempted_at_ms, node_seen.failure_kind, node_seen.failure_message,
    node_seen.reported_at_ms, node_seen.latency_ms, node_seen.uptime_s, node_seen.confirmed_at_ms,
    node_seen.confirmed_rest_ns, node_seen.clock_skew_ms, node_seen.moments,
    CASE WHEN node_seen.reported_at_ms IS NOT NULL THEN node_latest.document END AS document,
    node_latest.policy_list_id
FROM node_seen
JOIN swept_node ON swept_node.id = node_seen.node_id
LEFT JOIN node_latest ON node_latest.node_id = node_seen.node_id
WHERE node_seen.sweep_id = ?1
ORDER BY swept_node.name
