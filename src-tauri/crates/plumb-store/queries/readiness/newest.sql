-- queries/readiness/newest.sql: the newest evidence of each item of a fleet that was added until a moment
SELECT r.item, r.document, r.added_by, r.added_at_ms
FROM readiness r
WHERE r.fleet = ?1 AND r.added_at_ms <= ?2
  AND NOT EXISTS (
      SELECT 1 FROM readiness later
      WHERE later.fleet = r.fleet AND later.item = r.item AND later.added_at_ms <= ?2
        AND (later.added_at_ms, later.id) > (r.added_at_ms, r.id)
  )
ORDER BY r.item
