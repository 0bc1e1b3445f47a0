-- queries/freeze/lift.sql: lifts a freeze, once
UPDATE freeze SET lifted_at_ms = ?3 WHERE run_id = ?1 AND step = ?2 AND lifted_at_ms IS NULL
