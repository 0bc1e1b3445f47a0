-- queries/alert/changed.postgres.sql: alerts that changed after a number, in the order in which they did
SELECT row_to_json(a)::text
FROM alerts a
WHERE a.change_number > $1
ORDER BY a.change_number
LIMIT $2
