-- queries/incident/get.sqlite.sql: an incident by reference
SELECT i.document
FROM incident_documents i
WHERE i.incident_ref = $1
