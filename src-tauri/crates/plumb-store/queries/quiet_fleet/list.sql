-- queries/quiet_fleet/list.sql: fleets about which the desktop is told nothing, by name
SELECT fleet FROM quiet_fleet ORDER BY fleet
