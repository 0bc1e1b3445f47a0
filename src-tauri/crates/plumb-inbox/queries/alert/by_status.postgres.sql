-- queries/alert/by_status.postgres.sql: alerts and occurrences of each status
SELECT json_build_object('status', status, 'alerts', count(*), 'occurrences', sum(occurrences)::bigint)::text
FROM alerts WHERE last_seen_at >= $1
GROUP BY status
