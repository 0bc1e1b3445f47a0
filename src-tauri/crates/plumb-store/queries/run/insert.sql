-- queries/run/insert.sql: records that a run started
INSERT INTO run (id, plan_hash, fleet, operator, started_at_ms) VALUES (?1, ?2, ?3, ?4, ?5)
