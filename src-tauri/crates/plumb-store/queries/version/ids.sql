-- queries/version/ids.sql: the numbers of a JSON array of version labels
SELECT id, label FROM version WHERE label IN (SELECT value FROM json_each(?1))
