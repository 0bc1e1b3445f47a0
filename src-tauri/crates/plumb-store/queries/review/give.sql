-- queries/review/give.sql: notes the review of a run, once
UPDATE review SET given = ?2 WHERE run_id = ?1 AND given IS NULL
