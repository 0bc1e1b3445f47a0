//! Answer a request as a given node API would, and say which requests two policies answer
//! differently; pure.

pub mod answer;
pub mod case;
pub mod coverage;
pub mod decision;
pub mod flips;
pub mod limits;
pub mod outcome;
pub mod request;
pub mod semantics;

pub use answer::{Answer, Part, ProcessEnd, Reason};
pub use case::{Case, Origin};
pub use coverage::Coverage;
pub use decision::{Decision, Matched};
pub use flips::{Change, Flip, FlipGroup, FlipReport, Kind, NotEvaluated, Shrinker};
pub use outcome::{Effect, Outcome};
pub use request::Request;
pub use semantics::{
    first_match::{PreparedRules, Reading, RuleError, cases_of_rules, evaluate},
    rego::{
        Entrypoint, Module, Outline, Prepared, Question, RegoPolicy, RegoSource, RegoVersion, Step,
        Traced, cases_of_outlines,
    },
};
