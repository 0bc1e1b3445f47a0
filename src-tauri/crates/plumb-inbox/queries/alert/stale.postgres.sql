-- queries/alert/stale.postgres.sql: claims whose lease is over
SELECT json_build_object('stale', count(*))::text
FROM alerts WHERE status = 'processing' AND processing_lock_until <= $1
