-- queries/runbook_run/list.sql: the newest runs of runbooks in a fleet, newest first
SELECT
    r.id, r.plan_hash, r.fleet, r.operator, r.started_at_ms, r.ended_at_ms, r.outcome,
    b.runbook, b.title, b.folder, b.artifacts
FROM run r
JOIN runbook_run b ON b.run_id = r.id
WHERE r.fleet = ?1
ORDER BY r.started_at_ms DESC, r.id DESC
LIMIT ?2
