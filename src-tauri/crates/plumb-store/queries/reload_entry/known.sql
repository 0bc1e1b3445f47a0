-- queries/reload_entry/known.sql: which places of a JSON array of entries are already kept
SELECT CAST(fresh.key AS INTEGER) AS "place!: i64"
FROM json_each(?1) AS fresh
JOIN reload_entry
    ON reload_entry.node_id = fresh.value ->> 0
    AND reload_entry.reloaded_at_ms = fresh.value ->> 1
    AND reload_entry.reloaded_rest_ns = fresh.value ->> 2
    AND reload_entry.version_id IS fresh.value ->> 3
    AND reload_entry.success = fresh.value ->> 4
