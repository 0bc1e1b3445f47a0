-- queries/journal_state/add.sql: keeps what a run amounted to after an event
INSERT INTO journal_state (run_id, seq, projection, state) VALUES (?1, ?2, ?3, ?4)
