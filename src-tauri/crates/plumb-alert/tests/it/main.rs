//! The rules of alerts and incidents, as those who use them see them.

mod detect;
mod explain;
mod policies;
mod rules;
mod storm;
mod tentative;
mod world;
