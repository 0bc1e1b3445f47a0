-- queries/refused_list/add.sql: keeps an accepted refused list of a fleet, once for each version
INSERT INTO refused_list (fleet, version, digest, envelope, accepted_at_ms) VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT DO NOTHING
