-- queries/node_change/at.sql: what a node ran at a moment
SELECT version.label AS "label?", seen_content.digest AS "digest?"
FROM node_change
LEFT JOIN version ON version.id = node_change.version_id
LEFT JOIN seen_content ON seen_content.id = node_change.content_id
WHERE node_change.node_id = ?1 AND node_change.changed_at_ms <= ?2
ORDER BY node_change.changed_at_ms DESC, node_change.id DESC
LIMIT 1
