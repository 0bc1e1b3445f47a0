-- queries/node_change/list.sql: the newest changes of a node, newest first
SELECT
    swept_node.name, node_change.changed_at_ms, version.label AS "label?",
    seen_content.digest AS "digest?", node_change.state, node_change.failure_kind
FROM node_change
JOIN swept_node ON swept_node.id = node_change.node_id
LEFT JOIN version ON version.id = node_change.version_id
LEFT JOIN seen_content ON seen_content.id = node_change.content_id
WHERE node_change.node_id = ?1
ORDER BY node_change.changed_at_ms DESC, node_change.id DESC
LIMIT ?2
