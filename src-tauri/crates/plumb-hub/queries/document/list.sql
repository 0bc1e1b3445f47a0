-- documents of a collection with keys between two texts, in order
SELECT key, version, body FROM document WHERE collection = ?1 AND key >= ?2 AND key < ?3 ORDER BY key LIMIT ?4
