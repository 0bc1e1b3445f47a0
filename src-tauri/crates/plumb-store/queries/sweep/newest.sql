-- queries/sweep/newest.sql: the newest sweep of a fleet
SELECT sweep.id, sweep.snapshot_id, sweep.taken_at_ms, sweep.started_at_ms, sweep.finished_at_ms
FROM sweep
JOIN swept_fleet ON swept_fleet.id = sweep.fleet_id
WHERE swept_fleet.name = ?1
ORDER BY sweep.taken_at_ms DESC, sweep.id DESC
LIMIT 1
