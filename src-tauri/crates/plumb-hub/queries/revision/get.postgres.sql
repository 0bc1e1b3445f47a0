-- queries/revision/get.postgres.sql: the number that grows with every change that others serve
SELECT number
FROM hub_revision
WHERE one = 1
