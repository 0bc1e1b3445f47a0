-- queries/roster/add.sql: keeps an accepted roster of a fleet, once for each version
INSERT INTO roster (fleet, version, digest, envelope, pin, accepted_at_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
ON CONFLICT DO NOTHING
