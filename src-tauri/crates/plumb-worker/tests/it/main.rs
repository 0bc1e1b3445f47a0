//! The pool with real processes, and with processes that break every rule.

mod hostile;
mod life;
mod world;
