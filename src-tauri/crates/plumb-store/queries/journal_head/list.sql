-- queries/journal_head/list.sql: the signed heads of the journal of a run, in order
SELECT events, envelope FROM journal_head WHERE run_id = ?1 ORDER BY events
