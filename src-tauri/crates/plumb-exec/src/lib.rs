//! Perform an approved plan; defines the ports it needs.
