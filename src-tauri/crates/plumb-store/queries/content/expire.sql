-- queries/content/expire.sql: removes a batch of contents stored before a moment that no node runs or ran
DELETE FROM content WHERE digest IN (
    SELECT digest FROM content
    WHERE stored_at_ms < ?1
        AND NOT EXISTS (
            SELECT 1 FROM seen_content
            WHERE seen_content.digest = content.digest
                AND (
                    seen_content.id IN (SELECT content_id FROM node_seen)
                    OR seen_content.id IN (SELECT content_id FROM node_change)
                )
        )
    LIMIT ?2
)
