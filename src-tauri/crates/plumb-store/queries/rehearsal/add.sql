-- queries/rehearsal/add.sql: what a rehearsal came to
INSERT INTO rehearsal (fleet, runbook, documents, rehearsed_at_ms, green, report)
VALUES (?1, ?2, ?3, ?4, ?5, ?6)
