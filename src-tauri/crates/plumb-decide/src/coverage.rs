//! How much of a policy a list of cases reaches: *no flips* weighs as much as this.

use serde::{Deserialize, Serialize};

/// What cases reached of one policy. A rule is reached when it answered, a definition when its body
/// held; a condition was tried both ways when it was seen to hold and not to hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// Rules of a list, or definitions of Rego, and how many of them were reached.
    pub rules: usize,
    pub reached: usize,
    /// Conditions, and how many of them were tried both ways.
    pub conditions: usize,
    pub both_ways: usize,
    /// Rules that no case reached, by name, sorted; a rule behind one that catches everything is
    /// always among them.
    pub not_reached: Vec<String>,
}
