-- queries/run/list.sql: the newest runs of plans in a fleet, newest first
SELECT id, plan_hash, fleet, operator, started_at_ms, ended_at_ms, outcome
FROM run
WHERE fleet = ?1 AND id NOT IN (SELECT run_id FROM runbook_run)
ORDER BY started_at_ms DESC, id DESC
LIMIT ?2
