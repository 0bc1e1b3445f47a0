//! Answer a request as a given node API would; pure.

pub mod answer;
pub mod decision;
pub mod limits;
pub mod request;
pub mod semantics;

pub use answer::{Answer, Part, ProcessEnd, Reason};
pub use decision::{Decision, Matched};
pub use request::Request;
pub use semantics::{
    first_match::{PreparedRules, Reading, RuleError, evaluate},
    rego::{Entrypoint, Module, Prepared, Question, RegoPolicy, RegoSource, RegoVersion, Step},
};
