//! What a fleet is thought to be: drift states, groups, cautions, and the laws they keep.

mod drift;
mod health;
mod schema;
