-- queries/freeze/in_force.sql: freezes of a fleet that nobody lifted, oldest first
SELECT run_id, step, reason, since_ms, until_ms
FROM freeze
WHERE fleet = ?1 AND lifted_at_ms IS NULL
ORDER BY since_ms
