-- queries/swept_fleet/find.sql: the number of a fleet's name
SELECT id FROM swept_fleet WHERE name = ?1
