-- queries/plan/insert.sql: keeps a plan under its hash, once
INSERT INTO plan (hash, fleet, created_at_ms, document) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT DO NOTHING
