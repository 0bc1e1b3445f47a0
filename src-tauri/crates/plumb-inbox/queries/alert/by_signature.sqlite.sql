-- queries/alert/by_signature.sqlite.sql: the signatures with most alerts
SELECT json_object('signature', signature, 'alerts', count(*), 'occurrences', sum(occurrences))
FROM alerts WHERE last_seen_at >= $1
GROUP BY signature
ORDER BY count(*) DESC, signature
LIMIT 10
