-- queries/alert/by_source.postgres.sql: who told something, and when last
SELECT json_build_object('source', source, 'alerts', count(*), 'last_seen_at', max(last_seen_at))::text
FROM alerts WHERE last_seen_at >= $1
GROUP BY source
ORDER BY source
