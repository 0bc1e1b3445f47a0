-- queries/swept_node/of_fleet.sql: the numbers of all nodes ever swept in a fleet
SELECT id, name FROM swept_node WHERE fleet_id = ?1
