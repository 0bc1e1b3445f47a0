-- queries/swept_node/ensure.sql: makes sure every node of a JSON array of names has a number in a fleet
INSERT INTO swept_node (fleet_id, name)
SELECT ?1, value FROM json_each(?2) WHERE true
ON CONFLICT DO NOTHING
