-- queries/alert/due.sqlite.sql: claims and pauses that are over
SELECT a.document
FROM alert_documents a
WHERE (a.status = 'processing' AND a.processing_lock_until <= $1)
    OR (a.status = 'failed' AND a.retry_at <= $1)
LIMIT $2
