//! Doors from the page to the use cases, one file per feature, three lines a command.

pub(crate) mod alerts;
pub(crate) mod consent;
pub(crate) mod drift;
pub(crate) mod evidence;
pub(crate) mod files;
pub(crate) mod fleet;
pub(crate) mod keys;
pub(crate) mod plans;
pub(crate) mod proof;
pub(crate) mod refused;
pub(crate) mod runbooks;
pub(crate) mod runs;
pub(crate) mod settings;
pub(crate) mod window;
