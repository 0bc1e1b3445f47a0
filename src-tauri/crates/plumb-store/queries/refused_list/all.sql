-- queries/refused_list/all.sql: every refused list that was accepted for a fleet, oldest first
SELECT version, digest, envelope, accepted_at_ms FROM refused_list WHERE fleet = ?1 ORDER BY version
