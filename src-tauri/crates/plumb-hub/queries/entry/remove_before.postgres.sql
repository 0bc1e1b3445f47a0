-- queries/entry/remove_before.postgres.sql: removes what is older
DELETE FROM hub_entry
WHERE topic = $1 AND at_ms < $2
