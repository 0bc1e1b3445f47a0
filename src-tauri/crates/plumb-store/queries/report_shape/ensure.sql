-- queries/report_shape/ensure.sql: keeps a shape of reports once
INSERT INTO report_shape (digest, document) VALUES (?1, ?2) ON CONFLICT DO NOTHING
