-- queries/catalogue_entry/list.sql: the signed bundles known for a fleet, in the order they became known
SELECT document FROM catalogue_entry WHERE fleet = ?1 ORDER BY id
