-- queries/alert/due.postgres.sql: claims and pauses that are over
SELECT row_to_json(a)::text
FROM alerts a
WHERE (a.status = 'processing' AND a.processing_lock_until <= $1)
    OR (a.status = 'failed' AND a.retry_at <= $1)
LIMIT $2
