-- queries/refused_content/add.sql: refuses content in a fleet, or lifts that
INSERT INTO refused_content (fleet, content, since_ms, reason, run_id, refuses) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
