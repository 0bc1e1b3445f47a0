-- queries/imported_certificate/list.sql: certificates of a fleet that came from elsewhere, newest first
SELECT digest, fleet, observed_at_ms, envelope, source, imported_by, imported_at_ms
FROM imported_certificate
WHERE fleet = ?1
ORDER BY observed_at_ms DESC
LIMIT ?2
