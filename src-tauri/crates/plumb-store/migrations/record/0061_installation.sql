-- This installation of the program: a name that no other has, by which a hub tells two consoles of one person apart.
CREATE TABLE installation (
    id TEXT NOT NULL
) STRICT;
INSERT INTO installation (id) VALUES (lower(hex(randomblob(16))));
