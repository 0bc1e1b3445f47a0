-- queries/report_shape/latest.sql: every shape of report that a node of a sweep last reported
SELECT id, document
FROM report_shape
WHERE id IN (
    SELECT node_latest.report_shape_id
    FROM node_seen
    JOIN node_latest ON node_latest.node_id = node_seen.node_id
    WHERE node_seen.sweep_id = ?1
)
