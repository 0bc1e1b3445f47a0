-- queries/quiet_fleet/remove.sql: tells the desktop about a fleet again
DELETE FROM quiet_fleet WHERE fleet = ?1
