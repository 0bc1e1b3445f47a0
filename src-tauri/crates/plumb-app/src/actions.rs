//! Use cases that change something, or fetch something on demand.

pub mod approve;
pub mod certify;
mod circumstances;
pub mod configure;
pub mod consent;
pub mod credentials;
pub mod dry_run;
pub mod enrol;
pub mod evaluate;
pub mod fetch;
pub mod files;
pub mod kept;
pub mod kept_packs;
pub mod known_certificates;
pub mod observe;
mod plan_line;
pub mod prepare;
pub mod readiness;
pub mod review;
pub mod rollout;
pub mod rosters;
pub mod start;
