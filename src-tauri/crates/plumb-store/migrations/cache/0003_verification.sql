-- How the source of each node stands, which moves with every sweep, and who asked for a reload.

-- JSON array: failures in a row, since when a fallback runs, when the newest check was made, decisions (all, failed),
-- decisions around the newest reload.
ALTER TABLE node_seen ADD COLUMN standing TEXT;

-- A word such as poll or sync, where the node tells.
ALTER TABLE reload_entry ADD COLUMN asked_by TEXT;
