-- queries/dry_run/newest.sql: the newest dry run of a plan that was made until a moment
SELECT made_at_ms, digest, document
FROM dry_run
WHERE plan_hash = ?1 AND made_at_ms <= ?2
ORDER BY made_at_ms DESC, id DESC
LIMIT 1
