-- queries/feed/take.sql: takes so many numbers of changes, and waits for whoever took some and has not committed
UPDATE alert_feed SET last = last + $1 RETURNING CAST(last AS TEXT)
