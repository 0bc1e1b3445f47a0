-- queries/reload_error/ensure.sql: makes sure every message of a JSON array has a number
INSERT INTO reload_error (message) SELECT value FROM json_each(?1) WHERE true ON CONFLICT DO NOTHING
