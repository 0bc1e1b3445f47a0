-- queries/entry/count_before.postgres.sql: how many entries are older
SELECT COUNT(*)
FROM hub_entry
WHERE topic = $1 AND at_ms < $2
