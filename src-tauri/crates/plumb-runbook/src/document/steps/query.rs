//! A figure and the limits it has to keep.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Kind;
use crate::document::{Values, effect::StepEffect, template::substitute};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QueryStep {
    pub source: Source,
    /// A metric of nodes, a PromQL query, or a figure of the hub.
    pub query: String,
    /// Least and most that is fine; at least one of them, as decimals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<Decimal>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<Decimal>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    Nodes,
    Prometheus,
    Hub,
}

/// A limit in thousandths, so that documents mean the same everywhere; written as a decimal.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "f64", into = "f64")]
#[schemars(with = "f64")]
pub struct Decimal(pub i64);

impl TryFrom<f64> for Decimal {
    type Error = String;

    fn try_from(value: f64) -> Result<Self, Self::Error> {
        let milli = (value * 1_000.0).round();
        if !milli.is_finite() || milli.abs() > 1e15 || (milli - value * 1_000.0).abs() > 1e-6 {
            return Err("a limit has at most three decimals and 12 digits".to_owned());
        }
        #[expect(clippy::cast_possible_truncation, reason = "its size was just checked")]
        Ok(Self(milli as i64))
    }
}

impl From<Decimal> for f64 {
    fn from(value: Decimal) -> Self {
        value.0 as Self / 1_000.0
    }
}

impl Kind for QueryStep {
    fn words(&self) -> Vec<&str> {
        vec![&self.query]
    }

    fn wrong(&self) -> Option<String> {
        if self.query.trim().is_empty() || self.query.len() > 4_096 {
            return Some("a query has 1 to 4096 bytes".to_owned());
        }
        match (&self.min, &self.max) {
            (None, None) => Some("a threshold needs min, max or both".to_owned()),
            (Some(min), Some(max)) if min.0 > max.0 => Some("min is above max".to_owned()),
            _ => None,
        }
    }

    fn effect(&self, values: &Values) -> Result<StepEffect, String> {
        let (source, min, max) = (self.source, self.min, self.max);
        Ok(StepEffect::Query { source, query: substitute(&self.query, values)?, min, max })
    }
}
