-- queries/console_key/ensure.sql: keeps the public half of a key, once
INSERT INTO console_key (fingerprint, pem, first_used_at_ms)
VALUES (?1, ?2, ?3)
ON CONFLICT (fingerprint) DO NOTHING
