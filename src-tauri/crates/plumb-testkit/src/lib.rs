//! Dev-only: fixed clock, seeded ids, throw-away keys, builders for integration tests.
