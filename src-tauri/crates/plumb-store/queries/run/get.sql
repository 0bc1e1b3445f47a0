-- queries/run/get.sql: one run
SELECT id, plan_hash, fleet, operator, started_at_ms, ended_at_ms, outcome FROM run WHERE id = ?1
