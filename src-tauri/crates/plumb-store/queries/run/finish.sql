-- queries/run/finish.sql: records how a run ended, once
UPDATE run SET ended_at_ms = ?2, outcome = ?3 WHERE id = ?1 AND ended_at_ms IS NULL
