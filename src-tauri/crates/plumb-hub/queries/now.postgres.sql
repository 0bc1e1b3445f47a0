-- queries/now.postgres.sql: the time by the clock of the server, in milliseconds
SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint
