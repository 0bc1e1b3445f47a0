-- queries/journal_event/list.sql: the journal of a run in order
SELECT seq, recorded_at_ms, recorded_rest_ns, body, hash, previous
FROM journal_event
WHERE run_id = ?1
ORDER BY seq
