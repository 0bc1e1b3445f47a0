-- queries/alert/by_source.sqlite.sql: who told something, and when last
SELECT json_object('source', source, 'alerts', count(*), 'last_seen_at', max(last_seen_at))
FROM alerts WHERE last_seen_at >= $1
GROUP BY source
ORDER BY source
