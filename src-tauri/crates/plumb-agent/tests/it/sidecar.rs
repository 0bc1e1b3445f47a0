//! Packs brought into force in an OPA beside the agent. Where no `opa` is at hand, a replay of what one
//! answers stands in for it; the codes and texts are those of OPA 1.9.0.

mod agent;
mod bundle;
mod put;
mod real;
mod replay;
mod setting;
