-- queries/reload_error/ids.sql: the numbers of a JSON array of messages
SELECT id, message FROM reload_error WHERE message IN (SELECT value FROM json_each(?1))
