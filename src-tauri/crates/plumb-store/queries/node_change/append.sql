-- queries/node_change/append.sql: logs every node of a sweep that stands otherwise than before; given as a JSON array of
-- [node, version, content, state, failure]
INSERT INTO node_change (node_id, changed_at_ms, version_id, content_id, state, failure_kind)
SELECT
    fresh.value ->> 0, ?2, fresh.value ->> 1, fresh.value ->> 2, fresh.value ->> 3, fresh.value ->> 4
FROM json_each(?1) AS fresh
LEFT JOIN node_seen ON node_seen.node_id = fresh.value ->> 0
WHERE node_seen.node_id IS NULL
    OR node_seen.version_id IS NOT fresh.value ->> 1
    OR node_seen.content_id IS NOT fresh.value ->> 2
    OR node_seen.state IS NOT fresh.value ->> 3
    OR node_seen.failure_kind IS NOT fresh.value ->> 4
RETURNING node_id
