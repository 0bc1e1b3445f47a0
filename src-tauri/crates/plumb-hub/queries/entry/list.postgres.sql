-- queries/entry/list.postgres.sql: entries of a topic, newest first
SELECT seq, at_ms, subject, body
FROM hub_entry
WHERE topic = $1
    AND at_ms >= $2
    AND seq < $3
    AND ($4 = '' OR subject = $4)
ORDER BY seq DESC
LIMIT $5
