//! Drives the built window over WebDriver against a real demo fleet.
//!
//! Needs `plumb` and `plumbline` (release builds, named by `PLUMB_BIN` and `PLUMBLINE_BIN`), a display and
//! `WebKitWebDriver`; `cargo xtask test` provides all of them.

pub mod acts;
pub mod between;
pub mod demo;
pub mod desktop;
pub mod driver;
pub mod guilds;
pub mod program;
pub mod window;

pub use between::{Between, Changes};
pub use demo::Demo;
pub use desktop::Desktop;
pub use window::{Launch, Window};
