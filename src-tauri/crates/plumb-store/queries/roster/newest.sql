-- queries/roster/newest.sql: the newest roster that was accepted for a fleet
SELECT version, digest, envelope, pin, accepted_at_ms FROM roster WHERE fleet = ?1 ORDER BY version DESC LIMIT 1
