-- queries/node_seen/expire.sql: removes a batch of nodes that no kept sweep holds
DELETE FROM node_seen WHERE node_id IN (
    SELECT node_id FROM node_seen WHERE sweep_id NOT IN (SELECT id FROM sweep) LIMIT ?1
)
