-- queries/node_change/add.sql: adds changes as another file had them, given as a JSON array of
-- [node, moment, version, content, state, failure]
INSERT INTO node_change (node_id, changed_at_ms, version_id, content_id, state, failure_kind)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5
FROM json_each(?1)
