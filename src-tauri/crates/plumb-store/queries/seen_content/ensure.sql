-- queries/seen_content/ensure.sql: makes sure every content of a JSON array of hex digests has a number
INSERT INTO seen_content (digest) SELECT unhex(value) FROM json_each(?1) WHERE true
ON CONFLICT DO NOTHING
