-- queries/roster/all.sql: every roster that was accepted for a fleet, oldest first
SELECT version, digest, envelope, pin, accepted_at_ms FROM roster WHERE fleet = ?1 ORDER BY version
