-- queries/runbook_run/insert.sql: says that a run is one of a runbook
INSERT INTO runbook_run (run_id, runbook, title, folder, artifacts) VALUES (?1, ?2, ?3, ?4, ?5)
