-- queries/incident/get.postgres.sql: an incident by reference
SELECT row_to_json(i)::text
FROM incidents i
WHERE i.incident_ref = $1
