//! Answer a request as a given node API would; pure.
