-- queries/journal_head/newest.sql: events that the newest signed head of a run covers
SELECT max(events) AS "events: i64" FROM journal_head WHERE run_id = ?1
