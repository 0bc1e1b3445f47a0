-- queries/trusted_console/list.sql: keys that are trusted for the certificates of a fleet
SELECT c.public_key
FROM trusted_console c
WHERE c.fleet = ?1 AND c.trusted = 1
  AND NOT EXISTS (
      SELECT 1 FROM trusted_console later
      WHERE later.fleet = c.fleet AND later.key_id = c.key_id AND later.id > c.id
  )
ORDER BY c.key_id
