//! Find secrets, replace them by tokens that correlate, prove that none is left; pure.
//!
//! Rules are regular expressions that match in linear time, names of JSON members, and JSON paths. A secret
//! becomes a token that is keyed and tells nothing of it, and equal secrets become equal tokens. What is left
//! when nothing matches any more is the result, so redacting it again changes nothing.

mod builtin;
pub mod canary;
mod json;
pub mod limits;
mod path;
mod receipt;
mod redact;
mod rules;
pub mod search;
mod stream;
mod token;

pub use canary::{Canary, CanarySource};
pub use receipt::{FORMAT, Receipt, RuleReceipt};
pub use redact::{Form, RedactError, Redactor};
pub use rules::{Class, CustomPattern, RuleError, RuleSpec, Rules};
pub use search::{Encoding, Hit, Search};
pub use stream::{StreamError, Streamed};
pub use token::TokenKey;
