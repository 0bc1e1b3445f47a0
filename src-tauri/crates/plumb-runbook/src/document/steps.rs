//! One file a kind of step. A step says what it would do; it never does anything by itself.

pub mod action;
pub mod announce;
pub mod approval;
pub mod attest;
pub mod branch;
pub mod capture;
pub mod command;
pub mod doctor;
pub mod freeze;
pub mod http;
pub mod parallel;
pub mod query;
pub mod question;
pub mod runbook;
pub mod unfreeze;
pub mod wait;

use std::collections::BTreeMap;

use super::{Values, effect::StepEffect, template::substitute};

/// Longest wait, timeout and patience: a week.
const SECONDS_MAX: u32 = 7 * 24 * 60 * 60;

/// What every kind of step tells about itself.
pub(crate) trait Kind {
    /// Whether it changes anything outside the run: such a step is never tried again.
    fn mutates(&self) -> bool {
        false
    }

    /// Texts in which names may be filled in.
    fn words(&self) -> Vec<&str>;

    /// What is wrong with it by itself.
    fn wrong(&self) -> Option<String> {
        None
    }

    /// What it asks the world for with these values; nothing is done by asking.
    fn effect(&self, values: &Values) -> Result<StepEffect, String>;
}

/// The values of a table with their names replaced.
fn filled(
    words: &BTreeMap<String, String>,
    values: &Values,
) -> Result<BTreeMap<String, String>, String> {
    let one = |(name, word): (&String, &String)| Ok((name.clone(), substitute(word, values)?));
    words.iter().map(one).collect()
}

const fn timeout_s() -> u32 {
    60
}

const fn patience_s() -> u32 {
    24 * 60 * 60
}

/// Why a time in seconds is none.
pub(crate) fn within(seconds: u32, what: &str) -> Option<String> {
    let fits = (1..=SECONDS_MAX).contains(&seconds);
    (!fits).then(|| format!("{what} is 1 to {SECONDS_MAX} seconds"))
}
