-- queries/lock.postgres.sql: waits for everybody who locked one of these numbers, in their order
SELECT count(pg_advisory_xact_lock(value::bigint))::text FROM json_array_elements_text($1::json)
