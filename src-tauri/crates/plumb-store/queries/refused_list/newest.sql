-- queries/refused_list/newest.sql: the newest refused list of a fleet
SELECT envelope FROM refused_list WHERE fleet = ?1 ORDER BY version DESC LIMIT 1
