//! Actions as data: planner, findings, confirmation ladder and gate; pure.
