-- queries/lock.postgres.sql: waits for the turn of whoever changes the state; held until the transaction ends
SELECT pg_advisory_xact_lock($1)
