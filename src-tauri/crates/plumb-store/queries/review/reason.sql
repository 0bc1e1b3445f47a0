-- queries/review/reason.sql: why a run was started without approvals
SELECT reason FROM review WHERE run_id = ?1
