//! The wire contract of the agent; only types.
