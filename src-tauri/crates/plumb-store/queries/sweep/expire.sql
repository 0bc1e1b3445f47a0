-- queries/sweep/expire.sql: removes a batch of sweeps taken before a moment, never the newest of a fleet
DELETE FROM sweep WHERE id IN (
    SELECT id FROM sweep AS old
    WHERE old.taken_at_ms < ?1
        AND EXISTS (
            SELECT 1 FROM sweep AS later
            WHERE later.fleet_id = old.fleet_id AND later.taken_at_ms > old.taken_at_ms
        )
    LIMIT ?2
)
