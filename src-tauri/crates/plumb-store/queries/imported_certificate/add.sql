-- queries/imported_certificate/add.sql: keeps a certificate of another console once
INSERT INTO imported_certificate (digest, fleet, observed_at_ms, envelope, source, imported_by, imported_at_ms)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
ON CONFLICT (digest) DO NOTHING
