-- queries/installation/get.sql: which installation this is
SELECT id FROM installation
