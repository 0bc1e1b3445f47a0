-- queries/refused_content/current.sql: what this console refuses by itself in a fleet
SELECT content, since_ms, reason, run_id FROM refused_content
WHERE id IN (SELECT max(id) FROM refused_content WHERE fleet = ?1 GROUP BY content) AND refuses = 1
ORDER BY id
