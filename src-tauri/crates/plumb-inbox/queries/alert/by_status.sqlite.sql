-- queries/alert/by_status.sqlite.sql: alerts and occurrences of each status
SELECT json_object('status', status, 'alerts', count(*), 'occurrences', sum(occurrences))
FROM alerts WHERE last_seen_at >= $1
GROUP BY status
