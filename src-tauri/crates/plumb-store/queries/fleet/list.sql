-- queries/fleet/list.sql: the fleets on the list, by name
SELECT name, file, added_at_ms FROM fleet WHERE removed_at_ms IS NULL ORDER BY name
