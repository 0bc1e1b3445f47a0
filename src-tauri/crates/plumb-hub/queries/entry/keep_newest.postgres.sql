-- queries/entry/keep_newest.postgres.sql: removes all entries of a topic but the newest
DELETE FROM hub_entry
WHERE topic = $1
    AND seq <= (SELECT seq FROM hub_entry WHERE topic = $1 ORDER BY seq DESC LIMIT 1 OFFSET $2)
