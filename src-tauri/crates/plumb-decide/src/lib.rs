//! Answer a request as a given node API would; pure.

pub mod decision;
pub mod request;
pub mod semantics;

pub use decision::{Decision, Matched};
pub use request::Request;
pub use semantics::first_match::{PreparedRules, Reading, RuleError, evaluate};
