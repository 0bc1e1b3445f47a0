-- queries/swept_fleet/ensure.sql: makes sure a fleet's name has a number
INSERT INTO swept_fleet (name) VALUES (?1) ON CONFLICT DO NOTHING
