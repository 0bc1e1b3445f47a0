-- queries/freeze/get.sql: the freeze of a step
SELECT until_ms, lifted_at_ms FROM freeze WHERE run_id = ?1 AND step = ?2
