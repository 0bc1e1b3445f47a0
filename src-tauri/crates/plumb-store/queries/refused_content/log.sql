-- queries/refused_content/log.sql: everything that this console refused in a fleet, or lifted again, oldest first
SELECT content, since_ms, reason, run_id, refuses FROM refused_content WHERE fleet = ?1 ORDER BY id
