-- queries/entry/append.postgres.sql: an entry more
INSERT INTO hub_entry (topic, subject, at_ms, body)
VALUES ($1, $2, $3, $4)
