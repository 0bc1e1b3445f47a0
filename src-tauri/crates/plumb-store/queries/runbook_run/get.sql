-- queries/runbook_run/get.sql: the runbook of a run; nothing where it is one of a plan
SELECT runbook, title, folder, artifacts FROM runbook_run WHERE run_id = ?1
