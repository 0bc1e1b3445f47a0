-- Fleets about which this machine's desktop is told nothing.
CREATE TABLE quiet_fleet (
    fleet TEXT NOT NULL PRIMARY KEY,
    since_at_ms INTEGER NOT NULL
) STRICT;
