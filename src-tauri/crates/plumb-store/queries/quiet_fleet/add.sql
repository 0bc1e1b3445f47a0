-- queries/quiet_fleet/add.sql: tells the desktop nothing about a fleet from now on
INSERT INTO quiet_fleet (fleet, since_at_ms) VALUES (?1, ?2) ON CONFLICT DO NOTHING
