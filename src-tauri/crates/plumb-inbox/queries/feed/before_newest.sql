-- queries/feed/before_newest.sql: the number of the change before so many of the newest alerts
SELECT CAST(COALESCE(
    (SELECT change_number FROM alerts ORDER BY change_number DESC LIMIT 1 OFFSET $1), 0
) AS TEXT)
