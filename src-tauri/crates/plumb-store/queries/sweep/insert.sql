-- queries/sweep/insert.sql: records that a sweep took place
INSERT INTO sweep (
    fleet_id, snapshot_id, taken_at_ms, started_at_ms, finished_at_ms, nodes, answered, age_median_s,
    age_highest_s
)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
