-- queries/imported_certificate/fleets.sql: fleets of which certificates came from elsewhere
SELECT DISTINCT fleet FROM imported_certificate ORDER BY fleet
