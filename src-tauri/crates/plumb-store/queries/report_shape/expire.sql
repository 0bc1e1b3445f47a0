-- queries/report_shape/expire.sql: removes a batch of shapes that no node has any more
DELETE FROM report_shape WHERE id IN (
    SELECT id FROM report_shape
    WHERE NOT EXISTS (SELECT 1 FROM node_latest WHERE report_shape_id = report_shape.id)
    LIMIT ?1
)
