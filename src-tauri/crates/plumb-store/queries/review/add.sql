-- queries/review/add.sql: remembers that a run was started without approvals and must be reviewed
INSERT INTO review (run_id, fleet, reason, due_at_ms) VALUES (?1, ?2, ?3, ?4)
