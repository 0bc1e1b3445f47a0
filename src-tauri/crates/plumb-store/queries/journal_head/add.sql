-- queries/journal_head/add.sql: keeps a signed head of the journal of a run
INSERT INTO journal_head (run_id, events, envelope) VALUES (?1, ?2, ?3)
