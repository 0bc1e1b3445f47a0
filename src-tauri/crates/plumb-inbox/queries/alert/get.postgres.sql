-- queries/alert/get.postgres.sql: an alert by reference
SELECT row_to_json(a)::text
FROM alerts a
WHERE a.alert_ref = $1
