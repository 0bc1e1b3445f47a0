-- queries/dry_run/get.sql: a dry run by its digest
SELECT made_at_ms, digest, document
FROM dry_run
WHERE digest = ?1
ORDER BY made_at_ms DESC, id DESC
LIMIT 1
