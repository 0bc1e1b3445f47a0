//! Bytes, keys and a time in; a verdict out; pure.
