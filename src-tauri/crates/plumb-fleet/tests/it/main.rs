//! What a fleet is thought to be: drift states, groups, cautions, and the laws they keep.

mod drift;
mod groups;
mod health;
mod laws;
#[expect(clippy::disallowed_methods, reason = "the schema and the help are files")]
mod schema;
mod verification;
