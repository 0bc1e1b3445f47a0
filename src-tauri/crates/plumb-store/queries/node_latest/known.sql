-- queries/node_latest/known.sql: which of a JSON array of node numbers ever reported
SELECT node_id FROM node_latest WHERE node_id IN (SELECT value FROM json_each(?1))
