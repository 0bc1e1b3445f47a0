-- queries/policy_text/ids.sql: the numbers of a JSON array of digests of texts in hex
SELECT id, digest FROM policy_text WHERE digest IN (SELECT unhex(value) FROM json_each(?1))
