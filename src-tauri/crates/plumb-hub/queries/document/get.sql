-- one document
SELECT key, version, body FROM document WHERE collection = ?1 AND key = ?2
