-- queries/freeze/take.sql: a freeze of a step, once
INSERT INTO freeze (run_id, step, fleet, reason, since_ms, until_ms, envelope)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
ON CONFLICT DO NOTHING
