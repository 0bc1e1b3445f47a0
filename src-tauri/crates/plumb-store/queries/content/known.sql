-- queries/content/known.sql: which of a JSON array of hex digests are kept
SELECT digest FROM content WHERE digest IN (SELECT unhex(value) FROM json_each(?1))
