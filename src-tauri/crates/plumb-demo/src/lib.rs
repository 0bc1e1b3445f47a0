//! A small real fleet on loopback, signed with throw-away keys, with drift on demand.
