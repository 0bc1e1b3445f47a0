//! Programs of others that read what lies in `packaging`, for tests here and for stories in the window.

pub mod monitors;
pub mod programs;
pub mod prometheus;

pub use monitors::{MonitorPrograms, Monitors, Watched};
pub use prometheus::Prometheus;
