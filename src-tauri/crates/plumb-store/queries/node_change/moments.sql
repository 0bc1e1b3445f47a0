-- queries/node_change/moments.sql: the newest moments from which nodes of a fleet ran another content, newest first
SELECT
    node_change.changed_at_ms,
    min(swept_node.name) AS "node!: String",
    count(*) AS "nodes!: i64",
    version.label AS "label?",
    seen_content.digest AS "digest!"
FROM node_change
JOIN swept_node ON swept_node.id = node_change.node_id
JOIN swept_fleet ON swept_fleet.id = swept_node.fleet_id
JOIN seen_content ON seen_content.id = node_change.content_id
LEFT JOIN version ON version.id = node_change.version_id
WHERE swept_fleet.name = ?1
    AND instr(swept_node.name, ?2) > 0
    -- A node that did not answer in between still ran what it ran before.
    AND node_change.content_id IS NOT (
        SELECT earlier.content_id FROM node_change AS earlier
        WHERE earlier.node_id = node_change.node_id
            AND earlier.content_id IS NOT NULL
            AND (earlier.changed_at_ms, earlier.id) < (node_change.changed_at_ms, node_change.id)
        ORDER BY earlier.changed_at_ms DESC, earlier.id DESC
        LIMIT 1
    )
GROUP BY node_change.changed_at_ms, node_change.version_id, node_change.content_id
ORDER BY node_change.changed_at_ms DESC, count(*) DESC, min(swept_node.name)
LIMIT ?3
