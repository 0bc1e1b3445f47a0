-- queries/desired/history.sql: the newest wishes for a fleet and its nodes, newest first
SELECT node, document, set_at_ms FROM desired WHERE fleet = ?1 ORDER BY id DESC LIMIT ?2
