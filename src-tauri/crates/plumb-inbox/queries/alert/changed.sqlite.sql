-- queries/alert/changed.sqlite.sql: alerts that changed after a number, in the order in which they did
SELECT a.document
FROM alert_documents a
WHERE a.change_number > $1
ORDER BY a.change_number
LIMIT $2
