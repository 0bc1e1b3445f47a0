-- queries/journal_event/page.sql: some events of the journal of a run as they stand, from a number on
SELECT seq, body, hash FROM journal_event WHERE run_id = ?1 AND seq >= ?2 ORDER BY seq LIMIT ?3
