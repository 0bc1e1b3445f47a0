-- how many entries of a topic are older
SELECT COUNT(*) AS "count: i64" FROM entry WHERE topic = ?1 AND at_ms < ?2
