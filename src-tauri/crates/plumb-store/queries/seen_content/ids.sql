-- queries/seen_content/ids.sql: the numbers of a JSON array of content digests in hex
SELECT id, digest FROM seen_content WHERE digest IN (SELECT unhex(value) FROM json_each(?1))
