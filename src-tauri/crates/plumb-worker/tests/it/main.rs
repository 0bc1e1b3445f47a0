//! The pool with real processes, and with processes that break every rule.

mod follow;
mod hostile;
mod life;
mod world;
