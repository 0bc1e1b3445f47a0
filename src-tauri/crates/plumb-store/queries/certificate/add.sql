-- queries/certificate/add.sql: keeps a certificate
INSERT INTO certificate (run_id, fleet, observed_at_ms, green, statement, envelope)
VALUES (?1, ?2, ?3, ?4, ?5, ?6)
