//! The adapters against recorded replies, hostile peers, real TLS and real commands.

mod adapters;
mod credentials;
mod hostile;
mod metrics;
mod mutations;
mod operations;
mod prometheus_api;
mod routes;
mod support;
mod sweeps;
mod tls;
