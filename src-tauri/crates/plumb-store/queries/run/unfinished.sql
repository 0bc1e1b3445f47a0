-- queries/run/unfinished.sql: runs of plans without an end, oldest first: going on somewhere, or cut off by a crash
SELECT id, plan_hash, fleet, operator, started_at_ms, ended_at_ms, outcome
FROM run
WHERE ended_at_ms IS NULL AND id NOT IN (SELECT run_id FROM runbook_run)
ORDER BY started_at_ms, id
