-- queries/desired/set.sql: notes what a node or the whole fleet should run from now on
INSERT INTO desired (fleet, node, document, set_at_ms) VALUES (?1, ?2, ?3, ?4)
