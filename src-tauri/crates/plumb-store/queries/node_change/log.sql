-- queries/node_change/log.sql: changes of the nodes of a fleet between two moments, with what held at the first, by node
-- and oldest first
SELECT
    swept_node.name, node_change.changed_at_ms, version.label AS "label?",
    seen_content.digest AS "digest?", node_change.state, node_change.failure_kind
FROM swept_fleet
JOIN swept_node ON swept_node.fleet_id = swept_fleet.id
JOIN node_change ON node_change.node_id = swept_node.id
LEFT JOIN version ON version.id = node_change.version_id
LEFT JOIN seen_content ON seen_content.id = node_change.content_id
WHERE swept_fleet.name = ?1
    AND node_change.changed_at_ms <= ?3
    AND NOT EXISTS (
        SELECT 1 FROM node_change AS later
        WHERE later.node_id = node_change.node_id
            AND later.changed_at_ms <= ?2
            AND (later.changed_at_ms, later.id) > (node_change.changed_at_ms, node_change.id)
    )
ORDER BY swept_node.name, node_change.changed_at_ms, node_change.id
LIMIT ?4
