-- queries/policy_list/latest.sql: every list of policies that a node of a sweep last reported
SELECT id, document
FROM policy_list
WHERE id IN (
    SELECT node_latest.policy_list_id
    FROM node_seen
    JOIN node_latest ON node_latest.node_id = node_seen.node_id
    WHERE node_seen.sweep_id = ?1
)
