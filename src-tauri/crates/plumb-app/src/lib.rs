//! Use cases: queries, actions, background tasks; wires adapters to ports.

pub mod actions;
mod alerts;
pub mod app;
pub mod console;
pub mod console_key;
mod cores;
mod current;
mod demo;
mod earlier;
pub mod error;
mod fleets;
mod ids;
pub mod impact;
pub mod notifications;
mod opened;
mod opening;
pub mod own_log;
pub mod paths;
pub mod personal_keys;
pub mod ports;
pub mod queries;
pub mod runbooks;
mod scratch;
mod tasks;
pub mod topics;
pub mod views;
mod wishes;

pub use app::{App, AppOptions};
pub use console_key::{KeyPlace, Passphrase};
pub use current::{Current, Sweep};
/// Requests for approval in sealed evidence.
pub use opened::answering::{FoundRequest, request_in_evidence};
/// Colours of pictures.
pub use plumb_charts::Palette;
/// Alerts of others, read for a hub.
pub use plumb_clients::alert_sources;
/// The hub of a team, asked for what a console does not keep itself.
pub use plumb_clients::hub;
/// The system's keyring, or a mock of it, where keys are kept.
pub use plumb_clients::{KeySafe, Keyring};
/// Every program that evaluates policies of others starts itself again to do so: this is the first
/// thing its main function asks, before anything is opened.
pub use plumb_worker::child::run_if_asked as run_evaluation_process_if_asked;
