-- queries/report_shape/find.sql: the number of a shape of reports by the digest of its document
SELECT id FROM report_shape WHERE digest = ?1
