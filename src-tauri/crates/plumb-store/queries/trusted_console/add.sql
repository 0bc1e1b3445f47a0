-- queries/trusted_console/add.sql: says that a key is trusted for the certificates of a fleet, or no longer
INSERT INTO trusted_console (fleet, key_id, public_key, trusted, decided_by, decided_at_ms)
VALUES (?1, ?2, ?3, ?4, ?5, ?6)
