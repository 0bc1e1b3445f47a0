-- queries/review/open.sql: reviews of a fleet that were not given yet, the most urgent first
SELECT v.run_id, r.plan_hash, v.reason, v.due_at_ms, r.operator
FROM review v JOIN run r ON r.id = v.run_id
WHERE v.fleet = ?1 AND v.given IS NULL ORDER BY v.due_at_ms
