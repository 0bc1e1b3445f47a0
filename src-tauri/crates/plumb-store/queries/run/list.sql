-- queries/run/list.sql: the newest runs of a fleet, newest first
SELECT id, plan_hash, fleet, operator, started_at_ms, ended_at_ms, outcome
FROM run
WHERE fleet = ?1
ORDER BY started_at_ms DESC, id DESC
LIMIT ?2
