-- queries/roster/by_digest.sql: a roster that was accepted for a fleet, by what it says
SELECT version, digest, envelope, pin, accepted_at_ms FROM roster WHERE fleet = ?1 AND digest = ?2
