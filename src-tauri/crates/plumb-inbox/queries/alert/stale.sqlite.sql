-- queries/alert/stale.sqlite.sql: claims whose lease is over
SELECT json_object('stale', count(*))
FROM alerts WHERE status = 'processing' AND processing_lock_until <= $1
