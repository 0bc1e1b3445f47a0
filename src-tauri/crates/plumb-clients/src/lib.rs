//! Outbound HTTP: one adapter per node API; wire in, domain out.
