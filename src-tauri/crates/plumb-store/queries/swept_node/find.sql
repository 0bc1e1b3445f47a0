-- queries/swept_node/find.sql: the number of one node of a fleet
SELECT swept_node.id
FROM swept_node
JOIN swept_fleet ON swept_fleet.id = swept_node.fleet_id
WHERE swept_fleet.name = ?1 AND swept_node.name = ?2
