-- queries/journal_event/append.sql: adds one event to the journal of a run
INSERT INTO journal_event (
    run_id, seq, recorded_at_ms, recorded_rest_ns, body, hash, previous
)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
