//! Run events, what they fold to and the hash chain; pure.
