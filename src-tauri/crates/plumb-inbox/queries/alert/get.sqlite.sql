-- queries/alert/get.sqlite.sql: an alert by reference
SELECT a.document
FROM alert_documents a
WHERE a.alert_ref = $1
