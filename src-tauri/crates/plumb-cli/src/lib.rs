//! The same use cases on a terminal; also the door to agent and demo.
