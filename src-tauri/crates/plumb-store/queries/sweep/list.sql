-- queries/sweep/list.sql: the newest sweeps of a fleet, newest first
SELECT
    sweep.snapshot_id, sweep.taken_at_ms, sweep.started_at_ms, sweep.finished_at_ms, sweep.nodes,
    sweep.answered, sweep.age_median_s, sweep.age_highest_s
FROM sweep
JOIN swept_fleet ON swept_fleet.id = sweep.fleet_id
WHERE swept_fleet.name = ?1
ORDER BY sweep.taken_at_ms DESC, sweep.id DESC
LIMIT ?2
