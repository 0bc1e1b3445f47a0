-- queries/reload_entry/nodes.sql: which of a JSON array of node numbers have any entry
SELECT CAST(fresh.value AS INTEGER) AS "node_id!: i64"
FROM json_each(?1) AS fresh
WHERE EXISTS (SELECT 1 FROM reload_entry WHERE reload_entry.node_id = fresh.value)
