-- queries/revision/grow.postgres.sql: tells others that something changed which they serve
UPDATE hub_revision
SET number = number + 1
WHERE one = 1
