-- queries/version/ensure.sql: makes sure every version of a JSON array of labels has a number
INSERT INTO version (label) SELECT value FROM json_each(?1) WHERE true ON CONFLICT DO NOTHING
