-- queries/now.postgres.sql: the time by the clock of the server
SELECT json_build_object('now', clock_timestamp())::text
