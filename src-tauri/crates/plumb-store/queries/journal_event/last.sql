-- queries/journal_event/last.sql: where the journal of a run ends, and how many events it has
SELECT seq, hash, (SELECT count(*) FROM journal_event WHERE run_id = ?1) AS "events!: i64"
FROM journal_event
WHERE run_id = ?1
ORDER BY seq DESC
LIMIT 1
