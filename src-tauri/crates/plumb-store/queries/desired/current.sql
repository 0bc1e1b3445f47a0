-- queries/desired/current.sql: what a fleet and its nodes should run now
SELECT node, document AS "document!"
FROM desired
WHERE id IN (SELECT max(id) FROM desired WHERE fleet = ?1 GROUP BY node) AND document IS NOT NULL
