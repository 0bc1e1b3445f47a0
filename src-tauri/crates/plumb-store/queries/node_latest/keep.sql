-- queries/node_latest/keep.sql: keeps the newest report of a node; answers with the node if it differs
INSERT INTO node_latest (node_id, document, policy_list_id, changed_at_ms)
VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (node_id) DO UPDATE SET
    document = excluded.document,
    policy_list_id = excluded.policy_list_id,
    changed_at_ms = excluded.changed_at_ms
WHERE document IS NOT excluded.document OR policy_list_id IS NOT excluded.policy_list_id
RETURNING node_id
